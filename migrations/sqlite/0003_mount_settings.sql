-- What else operators set on a mount. Binaries before this one leave these columns alone.
ALTER TABLE mounts ADD COLUMN upsert INTEGER NOT NULL DEFAULT 0 CHECK (upsert IN (0, 1));

ALTER TABLE mounts ADD COLUMN cache_size INTEGER NOT NULL DEFAULT 0;

ALTER TABLE mounts ADD COLUMN default_lease_seconds INTEGER NOT NULL DEFAULT 0; -- 0 for the server's

ALTER TABLE mounts ADD COLUMN max_lease_seconds INTEGER NOT NULL DEFAULT 0; -- 0 for the server's

ALTER TABLE mounts ADD COLUMN listing_visibility TEXT; -- absent if nobody has said
