-- This database, also when it is restored from a backup.
ALTER TABLE service ADD COLUMN id TEXT;
-- The number of the latest end that the factory has said and that is in here. After a restore it is to
-- register again, and to say what came behind it.
ALTER TABLE factories ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE factories ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
