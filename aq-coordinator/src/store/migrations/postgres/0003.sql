-- The tracker's item that a job came from, and what it was told of the job.
CREATE TABLE echoes (
  job UUID PRIMARY KEY REFERENCES jobs (id),
  item TEXT NOT NULL,
  -- The stage that was told last, and the comment that was written, where a tracker edits comments.
  echoed TEXT,
  comment TEXT
);

-- Which coordinator talks to a kind of tracker, until when, and how far the feed was told.
CREATE TABLE turns (
  tracker TEXT PRIMARY KEY,
  holder UUID NOT NULL,
  until BIGINT NOT NULL,
  read BIGINT NOT NULL
);
