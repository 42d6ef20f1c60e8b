-- Times are milliseconds since 1970 on this database's clock.
CREATE TABLE service (
  one INT PRIMARY KEY CHECK (one = 1),
  created BIGINT NOT NULL,
  last_alive BIGINT NOT NULL,
  grace_until BIGINT NOT NULL,
  epoch_floor BIGINT NOT NULL,
  -- Another one after an outage or a restore: who follows changes begins anew.
  generation UUID NOT NULL,
  -- Added to transaction ids, so that stamps grow also when a dump is read by a new server.
  stamp_base BIGINT NOT NULL
);

-- One more with every job that has deps. Apart, because ticks lock the other row.
CREATE TABLE graph (
  one INT PRIMARY KEY CHECK (one = 1),
  version BIGINT NOT NULL
);
INSERT INTO graph VALUES (1, 0);

CREATE SEQUENCE jobs_seq AS BIGINT;

-- Renewals write `until` alone, which no index knows: they stay in the page (HOT), given some room.
CREATE TABLE jobs (
  seq BIGINT PRIMARY KEY,
  id UUID NOT NULL UNIQUE,
  -- Empty for the fleet's jobs, else the factory whose own job this mirrors.
  world TEXT NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  body BYTEA NOT NULL,
  priority TEXT NOT NULL,
  lock TEXT,
  deps TEXT NOT NULL,
  deps_mode TEXT NOT NULL,
  needs TEXT NOT NULL,
  submitted_at BIGINT NOT NULL,
  stage TEXT NOT NULL,
  result TEXT,
  epoch BIGINT NOT NULL,
  -- The latest grant.
  factory TEXT,
  instance TEXT,
  request TEXT,
  started BIGINT,
  until BIGINT,
  last_seq BIGINT,
  hold TEXT,
  held_lock TEXT,
  cancel BOOLEAN NOT NULL,
  attempts BIGINT NOT NULL,
  lost BIGINT NOT NULL,
  checkpoint TEXT,
  version BIGINT NOT NULL,
  -- The transaction of the latest change that planning can see.
  stamp BIGINT NOT NULL,
  UNIQUE (world, key)
) WITH (fillfactor = 80);

-- Whatever a coordinator believes, a lock is not held twice. Hashed, for an entry has a limit.
CREATE UNIQUE INDEX jobs_held_lock ON jobs (md5(held_lock)) WHERE held_lock IS NOT NULL;
CREATE INDEX jobs_stamp ON jobs (stamp);
CREATE INDEX jobs_stage ON jobs (world, stage, priority, submitted_at);
CREATE INDEX jobs_held ON jobs (seq) WHERE hold = 'held';
CREATE INDEX jobs_holder ON jobs (factory) WHERE hold IN ('held', 'lapsed');

CREATE TABLE manifests (
  job UUID PRIMARY KEY REFERENCES jobs (id),
  -- Text may hold a NUL, which TEXT cannot.
  manifest BYTEA NOT NULL
);

CREATE TABLE grants (
  job UUID NOT NULL REFERENCES jobs (id),
  epoch BIGINT NOT NULL,
  factory TEXT NOT NULL,
  instance TEXT,
  request TEXT NOT NULL,
  started BIGINT NOT NULL,
  ended BIGINT,
  outcome TEXT,
  metrics TEXT,
  PRIMARY KEY (job, epoch)
);
CREATE INDEX grants_request ON grants (request, factory);

CREATE TABLE reports (
  job UUID NOT NULL REFERENCES jobs (id),
  epoch BIGINT NOT NULL,
  factory TEXT NOT NULL,
  shadow BOOLEAN NOT NULL,
  seq BIGINT NOT NULL,
  stage TEXT NOT NULL,
  at BIGINT NOT NULL,
  checkpoint TEXT,
  metrics TEXT,
  verdict TEXT,
  PRIMARY KEY (job, epoch, factory, shadow, seq)
);

CREATE TABLE verdicts (
  verdict TEXT PRIMARY KEY,
  told BIGINT NOT NULL
);

CREATE TABLE feed (
  -- The transaction's stamp, and its place in the transaction in the last 14 bits.
  id BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  job UUID,
  factory TEXT,
  epoch BIGINT,
  stage TEXT,
  -- The place among the events that a holder has sent; none for what the coordinator says.
  seq BIGINT,
  fields TEXT NOT NULL
);
CREATE UNIQUE INDEX feed_sent ON feed (job, epoch, seq) WHERE seq IS NOT NULL;

CREATE TABLE factories (
  id TEXT COLLATE "C" PRIMARY KEY,
  host TEXT NOT NULL,
  version TEXT NOT NULL,
  instance TEXT NOT NULL,
  capabilities TEXT NOT NULL,
  capacity BIGINT NOT NULL,
  free BIGINT NOT NULL,
  seen BIGINT NOT NULL
) WITH (fillfactor = 80);
