-- This database, also when it is restored from a backup.
ALTER TABLE service ADD COLUMN id UUID;
-- The number of the latest end that the factory has said and that is in here. After a restore it is to
-- register again, and to say what came behind it.
ALTER TABLE factories ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE factories ADD COLUMN stale BOOLEAN NOT NULL DEFAULT false;
