CREATE TABLE IF NOT EXISTS {s}.items (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    counter bigint NOT NULL,
    operation uuid NOT NULL,
    tenant uuid,
    name text COLLATE "C",
    status text COLLATE "C",
    expires bigint,
    due bigint,
    carries text COLLATE "C",
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS items_by_tenant ON {s}.items (tenant, kind, id) WHERE tenant IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_by_name ON {s}.items (name, kind, id) WHERE name IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_by_status ON {s}.items (kind, status, id) WHERE status IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_by_expires ON {s}.items (kind, expires, id) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS {s}.schedule (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    counter bigint NOT NULL,
    token bigint NOT NULL,
    due bigint,
    woken bigint,
    leased_until bigint,
    due_since bigint,
    wanted bigint,
    PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS schedule_by_wanted ON {s}.schedule (wanted) WHERE wanted IS NOT NULL;
CREATE TABLE IF NOT EXISTS {s}.unique_keys (
    key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (key)
);
CREATE TABLE IF NOT EXISTS {s}.log (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id, number)
);
