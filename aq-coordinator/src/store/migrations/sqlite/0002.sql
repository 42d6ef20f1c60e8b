-- A person wants the factory to take no more jobs.
ALTER TABLE factories ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
