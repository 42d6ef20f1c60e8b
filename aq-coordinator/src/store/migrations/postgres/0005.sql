-- The restore of a backup that was noticed last; the time that hosts have to say what they ended since
-- is not over while it settles. A person may have said that what nobody knows is to be run.
ALTER TABLE service ADD COLUMN restored BIGINT;
ALTER TABLE service ADD COLUMN settles BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE service ADD COLUMN run_doubted BOOLEAN NOT NULL DEFAULT false;
-- Where the tables are: another place after a restore.
ALTER TABLE service ADD COLUMN place TEXT;
-- It may have ended in the time that was lost with a restore.
ALTER TABLE jobs ADD COLUMN doubted BOOLEAN NOT NULL DEFAULT false;
