-- Since when it has ended, as long as its grants, reports and text are kept.
ALTER TABLE jobs ADD COLUMN past_since INTEGER;
UPDATE jobs SET past_since = CAST(round(unixepoch('subsec') * 1000) AS INTEGER)
  WHERE stage IN ('shipped', 'failed', 'quarantine');
CREATE INDEX jobs_past ON jobs (past_since) WHERE past_since IS NOT NULL;
-- Sums over all jobs that ever were.
CREATE TABLE totals (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- The message of the feed up to which they are no longer kept, and when it came.
ALTER TABLE service ADD COLUMN feed_gone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN feed_gone_at INTEGER NOT NULL DEFAULT 0;
UPDATE service SET feed_gone_at = coalesce((SELECT min(at) FROM feed), last_alive),
  feed_gone = coalesce((SELECT min(id) - 1 FROM feed),
  (SELECT seq FROM sqlite_sequence WHERE name = 'feed'), 0);
