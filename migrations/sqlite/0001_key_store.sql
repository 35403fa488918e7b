-- The store itself: one row, written once by `init`.
CREATE TABLE store_header (
    one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    store_id    BLOB NOT NULL CHECK (length(store_id) = 16),
    kek         TEXT NOT NULL,
    live_secret BLOB, -- absent while the store is sealed
    unlock_copy BLOB NOT NULL,
    shares      INTEGER NOT NULL,
    threshold   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE store_secrets (
    purpose  INTEGER NOT NULL PRIMARY KEY,
    kek      TEXT NOT NULL,
    wrapped  BLOB NOT NULL,
    material BLOB NOT NULL
) STRICT;

CREATE TABLE root_tokens (
    hash       BLOB NOT NULL PRIMARY KEY,
    accessor   TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE mounts (
    id               BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    path             TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    description      TEXT NOT NULL,
    default_key_type INTEGER,
    disabled_at      INTEGER -- absent while enabled
) STRICT;

CREATE UNIQUE INDEX mounts_enabled_path ON mounts (path) WHERE disabled_at IS NULL;

-- Every change to a mount updates this row first, so changes to mounts come one after the other.
CREATE TABLE mounts_epoch (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO mounts_epoch (one, epoch) VALUES (1, 0);

CREATE TABLE rings (
    id                     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    mount_id               BLOB NOT NULL REFERENCES mounts (id) ON DELETE CASCADE,
    name                   TEXT NOT NULL,
    key_type               INTEGER NOT NULL,
    derived                INTEGER NOT NULL CHECK (derived IN (0, 1)),
    convergent             INTEGER NOT NULL CHECK (convergent IN (0, 1)),
    created_at             INTEGER NOT NULL,
    generation             INTEGER NOT NULL,
    latest                 INTEGER NOT NULL,
    min_available          INTEGER, -- absent until the ring is trimmed
    min_decryption         INTEGER NOT NULL,
    min_encryption         INTEGER,
    deletion_allowed       INTEGER NOT NULL CHECK (deletion_allowed IN (0, 1)),
    exportable             INTEGER NOT NULL CHECK (exportable IN (0, 1)),
    allow_plaintext_backup INTEGER NOT NULL CHECK (allow_plaintext_backup IN (0, 1)),
    auto_rotate_seconds    INTEGER,
    due_at                 INTEGER,
    mac                    BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX rings_mount_name ON rings (mount_id, name);

CREATE INDEX rings_due ON rings (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE ring_versions (
    ring_id    BLOB NOT NULL REFERENCES rings (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL CHECK (version > 0),
    origin     INTEGER NOT NULL,
    kek        TEXT NOT NULL,
    wrapped    BLOB NOT NULL,
    material   BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    mac        BLOB NOT NULL,
    PRIMARY KEY (ring_id, version)
) STRICT;

CREATE TABLE ring_usage (
    ring_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    uses    INTEGER NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (ring_id, version),
    FOREIGN KEY (ring_id, version) REFERENCES ring_versions (ring_id, version) ON DELETE CASCADE
) STRICT;

-- Outlives rings and mounts, so it refers to neither.
CREATE TABLE ring_history (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    mount_id     BLOB NOT NULL,
    name         TEXT NOT NULL,
    ring_id      BLOB NOT NULL,
    generation   INTEGER NOT NULL,
    action       TEXT NOT NULL,
    from_version INTEGER,
    to_version   INTEGER,
    settings     TEXT NOT NULL,
    actor        TEXT NOT NULL,
    accessor     TEXT,
    request_id   TEXT,
    cause        TEXT NOT NULL,
    reason       TEXT
) STRICT;

CREATE INDEX ring_history_name ON ring_history (mount_id, name, sequence);
