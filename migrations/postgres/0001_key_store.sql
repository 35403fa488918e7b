-- The store itself: one row, written once by `init`.
CREATE TABLE store_header (
    one         BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    store_id    BYTEA NOT NULL CHECK (length(store_id) = 16),
    kek         TEXT NOT NULL,
    live_secret BYTEA, -- absent while the store is sealed
    unlock_copy BYTEA NOT NULL,
    shares      BIGINT NOT NULL,
    threshold   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE store_secrets (
    purpose  BIGINT NOT NULL PRIMARY KEY,
    kek      TEXT NOT NULL,
    wrapped  BYTEA NOT NULL,
    material BYTEA NOT NULL
);

CREATE TABLE root_tokens (
    hash       BYTEA NOT NULL PRIMARY KEY,
    accessor   TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE mounts (
    id               BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    path             TEXT COLLATE "C" NOT NULL,
    created_at       BIGINT NOT NULL,
    description      TEXT NOT NULL,
    default_key_type BIGINT,
    disabled_at      BIGINT -- absent while enabled
);

CREATE UNIQUE INDEX mounts_enabled_path ON mounts (path) WHERE disabled_at IS NULL;

-- Every change to a mount updates this row first, so changes to mounts come one after the other.
CREATE TABLE mounts_epoch (
    one   BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch BIGINT NOT NULL
);

INSERT INTO mounts_epoch (one, epoch) VALUES (1, 0);

CREATE TABLE rings (
    id                     BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    mount_id               BYTEA NOT NULL REFERENCES mounts (id) ON DELETE CASCADE,
    name                   TEXT COLLATE "C" NOT NULL,
    key_type               BIGINT NOT NULL,
    derived                BOOLEAN NOT NULL,
    convergent             BOOLEAN NOT NULL,
    created_at             BIGINT NOT NULL,
    generation             BIGINT NOT NULL,
    latest                 BIGINT NOT NULL,
    min_available          BIGINT, -- absent until the ring is trimmed
    min_decryption         BIGINT NOT NULL,
    min_encryption         BIGINT,
    deletion_allowed       BOOLEAN NOT NULL,
    exportable             BOOLEAN NOT NULL,
    allow_plaintext_backup BOOLEAN NOT NULL,
    auto_rotate_seconds    BIGINT,
    due_at                 BIGINT,
    mac                    BYTEA NOT NULL
);

CREATE UNIQUE INDEX rings_mount_name ON rings (mount_id, name);

CREATE INDEX rings_due ON rings (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE ring_versions (
    ring_id    BYTEA NOT NULL REFERENCES rings (id) ON DELETE CASCADE,
    version    BIGINT NOT NULL CHECK (version > 0),
    origin     BIGINT NOT NULL,
    kek        TEXT NOT NULL,
    wrapped    BYTEA NOT NULL,
    material   BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    mac        BYTEA NOT NULL,
    PRIMARY KEY (ring_id, version)
);

CREATE TABLE ring_usage (
    ring_id BYTEA NOT NULL,
    version BIGINT NOT NULL,
    uses    BIGINT NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (ring_id, version),
    FOREIGN KEY (ring_id, version) REFERENCES ring_versions (ring_id, version) ON DELETE CASCADE
);

-- Outlives rings and mounts, so it refers to neither.
CREATE TABLE ring_history (
    sequence     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           BIGINT NOT NULL,
    mount_id     BYTEA NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    ring_id      BYTEA NOT NULL,
    generation   BIGINT NOT NULL,
    action       TEXT NOT NULL,
    from_version BIGINT,
    to_version   BIGINT,
    settings     TEXT NOT NULL,
    actor        TEXT NOT NULL,
    accessor     TEXT,
    request_id   TEXT,
    cause        TEXT NOT NULL,
    reason       TEXT,
    -- The transaction that wrote the event. The change feed reads by it: sequences are given out before the commit,
    -- so a reader of sequences would skip a transaction that commits late.
    xid          BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)
);

CREATE INDEX ring_history_name ON ring_history (mount_id, name, sequence);

CREATE INDEX ring_history_xid ON ring_history (xid);
