-- Since when it has ended, as long as its grants, reports and text are kept.
ALTER TABLE jobs ADD COLUMN past_since BIGINT;
UPDATE jobs SET past_since = (extract(epoch from clock_timestamp()) * 1000)::bigint
  WHERE stage IN ('shipped', 'failed', 'quarantine');
CREATE INDEX jobs_past ON jobs (past_since) WHERE past_since IS NOT NULL;
-- Sums over all jobs that ever were, each in parts, so that writers do not wait for one another.
CREATE TABLE totals (
  name TEXT NOT NULL,
  part BIGINT NOT NULL,
  value BIGINT NOT NULL,
  PRIMARY KEY (name, part)
) WITH (fillfactor = 50);
-- The message of the feed up to which they are no longer kept, and when it came.
ALTER TABLE service ADD COLUMN feed_gone BIGINT NOT NULL DEFAULT 0;
ALTER TABLE service ADD COLUMN feed_gone_at BIGINT NOT NULL DEFAULT 0;
UPDATE service SET feed_gone_at = coalesce((SELECT min(at) FROM feed), last_alive),
  feed_gone = coalesce((SELECT min(id) FROM feed),
  (pg_current_xact_id()::text::bigint + stamp_base) << 14) - 1;
