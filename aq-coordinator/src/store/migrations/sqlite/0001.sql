-- Times are milliseconds since 1970 on this database's clock.
CREATE TABLE service (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  created INTEGER NOT NULL,
  last_alive INTEGER NOT NULL,
  grace_until INTEGER NOT NULL,
  epoch_floor INTEGER NOT NULL,
  -- Another one after an outage or a restore: who follows changes begins anew.
  generation TEXT NOT NULL,
  -- One more with every change of a job that planning can see.
  stamp INTEGER NOT NULL,
  -- One more with every job that has deps.
  graph INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  -- Empty for the fleet's jobs, else the factory whose own job this mirrors.
  world TEXT NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  body BLOB NOT NULL,
  priority TEXT NOT NULL,
  lock TEXT,
  deps TEXT NOT NULL,
  deps_mode TEXT NOT NULL,
  needs TEXT NOT NULL,
  submitted_at INTEGER NOT NULL,
  stage TEXT NOT NULL,
  result TEXT,
  epoch INTEGER NOT NULL,
  -- The latest grant.
  factory TEXT,
  instance TEXT,
  request TEXT,
  started INTEGER,
  until INTEGER,
  last_seq INTEGER,
  hold TEXT,
  held_lock TEXT,
  cancel INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  checkpoint TEXT,
  version INTEGER NOT NULL,
  stamp INTEGER NOT NULL,
  UNIQUE (world, key)
) STRICT;

-- Whatever a coordinator believes, a lock is not held twice.
CREATE UNIQUE INDEX jobs_held_lock ON jobs (held_lock) WHERE held_lock IS NOT NULL;
CREATE INDEX jobs_stamp ON jobs (stamp);
CREATE INDEX jobs_stage ON jobs (world, stage, priority, submitted_at);
CREATE INDEX jobs_epoch ON jobs (epoch);
CREATE INDEX jobs_held ON jobs (until) WHERE hold = 'held';
CREATE INDEX jobs_holder ON jobs (factory) WHERE hold IN ('held', 'lapsed');

CREATE TABLE manifests (
  job TEXT PRIMARY KEY REFERENCES jobs (id),
  manifest TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
  job TEXT NOT NULL REFERENCES jobs (id),
  epoch INTEGER NOT NULL,
  factory TEXT NOT NULL,
  instance TEXT,
  request TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER,
  outcome TEXT,
  metrics TEXT,
  PRIMARY KEY (job, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_request ON grants (request, factory);

CREATE TABLE reports (
  job TEXT NOT NULL REFERENCES jobs (id),
  epoch INTEGER NOT NULL,
  factory TEXT NOT NULL,
  shadow INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  stage TEXT NOT NULL,
  at INTEGER NOT NULL,
  checkpoint TEXT,
  metrics TEXT,
  verdict TEXT,
  PRIMARY KEY (job, epoch, factory, shadow, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE verdicts (
  verdict TEXT PRIMARY KEY,
  told INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  job TEXT,
  factory TEXT,
  epoch INTEGER,
  stage TEXT,
  -- The place among the events that a holder has sent; none for what the coordinator says.
  seq INTEGER,
  fields TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX feed_sent ON feed (job, epoch, seq) WHERE seq IS NOT NULL;

CREATE TABLE factories (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  version TEXT NOT NULL,
  instance TEXT NOT NULL,
  capabilities TEXT NOT NULL,
  capacity INTEGER NOT NULL,
  free INTEGER NOT NULL,
  seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
