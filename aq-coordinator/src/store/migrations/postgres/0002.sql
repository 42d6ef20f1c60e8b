-- A person wants the factory to take no more jobs.
ALTER TABLE factories ADD COLUMN draining BOOLEAN NOT NULL DEFAULT false;
