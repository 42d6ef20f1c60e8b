-- The processes that keep time on this database, each from its start on: while none does, hosts
-- cannot renew their leases.
CREATE TABLE coordinators (
  id TEXT PRIMARY KEY,
  since INTEGER NOT NULL,
  seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
