-- What else operators set on a mount. Binaries before this one leave these columns alone.
ALTER TABLE mounts ADD COLUMN upsert BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE mounts ADD COLUMN cache_size BIGINT NOT NULL DEFAULT 0;

ALTER TABLE mounts ADD COLUMN default_lease_seconds BIGINT NOT NULL DEFAULT 0; -- 0 for the server's

ALTER TABLE mounts ADD COLUMN max_lease_seconds BIGINT NOT NULL DEFAULT 0; -- 0 for the server's

ALTER TABLE mounts ADD COLUMN listing_visibility TEXT; -- absent if nobody has said
