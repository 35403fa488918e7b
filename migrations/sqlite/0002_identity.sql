-- What administrators write: policies, roles, users, auth mounts. The service seals what they say.
CREATE TABLE identity_entries (
    kind       TEXT NOT NULL,
    scope      TEXT NOT NULL, -- what the entry goes away with; empty for the server itself
    name       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (kind, scope, name)
) STRICT;

CREATE INDEX identity_entries_scope ON identity_entries (scope);

-- Every change to an entry updates this row first, so such changes come one after the other. It also grows with
-- chosen tokens, with root tokens, and when the store is sealed or unsealed.
CREATE TABLE identity_epoch (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO identity_epoch (one, epoch) VALUES (1, 0);

-- What ended credentials. Read by the change feed; purged with the credentials it ended, but for the newest row.
CREATE TABLE revocations (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    root_token BLOB -- the root token it ended, whose row is gone
) STRICT;

CREATE INDEX revocations_at ON revocations (at);

-- What callers present: tokens, secret ids, wrapped responses. One that was revoked, taken or used up stays without
-- its body until it is purged, so that neither its hash nor its accessor is given out again.
CREATE TABLE credentials (
    kind         INTEGER NOT NULL,
    hash         BLOB NOT NULL CHECK (length(hash) = 32),
    accessor     TEXT NOT NULL,
    scope        TEXT NOT NULL,
    parent       BLOB, -- the token it is revoked with; absent for an orphan
    has_children INTEGER NOT NULL DEFAULT 0 CHECK (has_children IN (0, 1)), -- stays when they are gone
    chosen       INTEGER NOT NULL CHECK (chosen IN (0, 1)),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER, -- absent if it never does
    uses_left    INTEGER CHECK (uses_left >= 0), -- absent if they are not counted
    body         BLOB NOT NULL,
    ended_by     INTEGER, -- the revocation that ended it; absent while it is there
    PRIMARY KEY (kind, hash)
) STRICT;

CREATE UNIQUE INDEX credentials_accessor ON credentials (kind, accessor);

CREATE INDEX credentials_scope ON credentials (scope, kind, accessor);

CREATE INDEX credentials_parent ON credentials (parent) WHERE parent IS NOT NULL;

CREATE INDEX credentials_chosen ON credentials (hash) WHERE chosen;

CREATE INDEX credentials_expires_at ON credentials (expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX credentials_expiring_parents ON credentials (expires_at) WHERE has_children AND ended_by IS NULL;

CREATE INDEX credentials_ended_by ON credentials (ended_by) WHERE ended_by IS NOT NULL;

-- The last signed checkpoint of every audit chain: one chain for each start of a node.
CREATE TABLE audit_heads (
    chain      BLOB NOT NULL PRIMARY KEY CHECK (length(chain) = 16),
    node       TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    records    INTEGER NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    at         INTEGER NOT NULL,
    signature  BLOB NOT NULL
) STRICT;

-- For whoever has an audit record of a request and wants to know what it changed.
CREATE INDEX ring_history_request_id ON ring_history (request_id, sequence) WHERE request_id IS NOT NULL;
