-- How rings derive, how long their keys are, and where those came from and went to.
ALTER TABLE rings ADD COLUMN kdf BIGINT NOT NULL DEFAULT 1;
ALTER TABLE rings ADD COLUMN key_size BIGINT;
ALTER TABLE rings ADD COLUMN soft_deleted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE rings ADD COLUMN imported BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE rings ADD COLUMN allow_rotation BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE rings ADD COLUMN backed_up_at BIGINT;
ALTER TABLE rings ADD COLUMN backed_up_version BIGINT;
ALTER TABLE rings ADD COLUMN restored_at BIGINT;
ALTER TABLE rings ADD COLUMN restored_version BIGINT;

-- The public halves of key pairs, and their certificates.
ALTER TABLE ring_versions ADD COLUMN public_key BYTEA;
ALTER TABLE ring_versions ADD COLUMN certificate_chain TEXT;
