-- The processes that keep time on this database, each from its start on: while none does, hosts
-- cannot renew their leases.
CREATE TABLE coordinators (
  id UUID PRIMARY KEY,
  since BIGINT NOT NULL,
  seen BIGINT NOT NULL
);
