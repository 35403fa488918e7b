-- What administrators write: policies, roles, users, auth mounts. The service seals what they say.
CREATE TABLE identity_entries (
    kind       TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL, -- what the entry goes away with; empty for the server itself
    name       TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    body       BYTEA NOT NULL,
    PRIMARY KEY (kind, scope, name)
);

CREATE INDEX identity_entries_scope ON identity_entries (scope);

-- Every change to an entry updates this row first, so such changes come one after the other. It also grows with
-- chosen tokens, with root tokens, and when the store is sealed or unsealed.
CREATE TABLE identity_epoch (
    one   BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch BIGINT NOT NULL
);

INSERT INTO identity_epoch (one, epoch) VALUES (1, 0);

-- What ended credentials. Read by the change feed; purged with the credentials it ended, but for the newest row.
CREATE TABLE revocations (
    sequence   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT NOT NULL,
    root_token BYTEA, -- the root token it ended, whose row is gone
    -- The transaction that wrote the row, as in ring_history.
    xid        BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)
);

CREATE INDEX revocations_xid ON revocations (xid);

CREATE INDEX revocations_at ON revocations (at);

-- What callers present: tokens, secret ids, wrapped responses. One that was revoked, taken or used up stays without
-- its body until it is purged, so that neither its hash nor its accessor is given out again.
CREATE TABLE credentials (
    kind         BIGINT NOT NULL,
    hash         BYTEA NOT NULL CHECK (length(hash) = 32),
    accessor     TEXT COLLATE "C" NOT NULL,
    scope        TEXT COLLATE "C" NOT NULL,
    parent       BYTEA, -- the token it is revoked with; absent for an orphan
    has_children BOOLEAN NOT NULL DEFAULT FALSE, -- stays when they are gone
    chosen       BOOLEAN NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT, -- absent if it never does
    uses_left    BIGINT CHECK (uses_left >= 0), -- absent if they are not counted
    body         BYTEA NOT NULL,
    ended_by     BIGINT, -- the revocation that ended it; absent while it is there
    PRIMARY KEY (kind, hash)
);

CREATE UNIQUE INDEX credentials_accessor ON credentials (kind, accessor);

CREATE INDEX credentials_scope ON credentials (scope, kind, accessor);

CREATE INDEX credentials_parent ON credentials (parent) WHERE parent IS NOT NULL;

CREATE INDEX credentials_chosen ON credentials (hash) WHERE chosen;

CREATE INDEX credentials_expires_at ON credentials (expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX credentials_expiring_parents ON credentials (expires_at) WHERE has_children AND ended_by IS NULL;

CREATE INDEX credentials_ended_by ON credentials (ended_by) WHERE ended_by IS NOT NULL;

-- The last signed checkpoint of every audit chain: one chain for each start of a node.
CREATE TABLE audit_heads (
    chain      BYTEA NOT NULL PRIMARY KEY CHECK (length(chain) = 16),
    node       TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    records    BIGINT NOT NULL,
    hash       BYTEA NOT NULL CHECK (length(hash) = 32),
    at         BIGINT NOT NULL,
    signature  BYTEA NOT NULL
);

-- For whoever has an audit record of a request and wants to know what it changed.
CREATE INDEX ring_history_request_id ON ring_history (request_id, sequence) WHERE request_id IS NOT NULL;
