-- How rings derive, how long their keys are, and where those came from and went to.
ALTER TABLE rings ADD COLUMN kdf INTEGER NOT NULL DEFAULT 1;
ALTER TABLE rings ADD COLUMN key_size INTEGER;
ALTER TABLE rings ADD COLUMN soft_deleted INTEGER NOT NULL DEFAULT 0 CHECK (soft_deleted IN (0, 1));
ALTER TABLE rings ADD COLUMN imported INTEGER NOT NULL DEFAULT 0 CHECK (imported IN (0, 1));
ALTER TABLE rings ADD COLUMN allow_rotation INTEGER NOT NULL DEFAULT 0 CHECK (allow_rotation IN (0, 1));
ALTER TABLE rings ADD COLUMN backed_up_at INTEGER;
ALTER TABLE rings ADD COLUMN backed_up_version INTEGER;
ALTER TABLE rings ADD COLUMN restored_at INTEGER;
ALTER TABLE rings ADD COLUMN restored_version INTEGER;

-- The public halves of key pairs, and their certificates.
ALTER TABLE ring_versions ADD COLUMN public_key BLOB;
ALTER TABLE ring_versions ADD COLUMN certificate_chain TEXT;
