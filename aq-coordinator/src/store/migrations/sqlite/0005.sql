-- The restore of a backup that was noticed last; the time that hosts have to say what they ended since
-- is not over while it settles. A person may have said that what nobody knows is to be run.
ALTER TABLE service ADD COLUMN restored INTEGER;
ALTER TABLE service ADD COLUMN settles INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN run_doubted INTEGER NOT NULL DEFAULT 0;
-- It may have ended in the time that was lost with a restore.
ALTER TABLE jobs ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0;
