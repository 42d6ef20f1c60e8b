-- The tracker's item that a job came from, and what it was told of the job.
CREATE TABLE echoes (
  job TEXT PRIMARY KEY REFERENCES jobs (id),
  item TEXT NOT NULL,
  -- The stage that was told last, and the comment that was written, where a tracker edits comments.
  echoed TEXT,
  comment TEXT
) STRICT, WITHOUT ROWID;

-- Which coordinator talks to a kind of tracker, until when, and how far the feed was told.
CREATE TABLE turns (
  tracker TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until INTEGER NOT NULL,
  read INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
