-- Instants are microseconds since 1970 in UTC; ids are 16 bytes.
CREATE TABLE items (
    item INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The revision.
    counter INTEGER NOT NULL,
    operation BLOB NOT NULL,
    -- The header.
    tenant BLOB,
    name TEXT,
    status TEXT,
    expires INTEGER,
    due INTEGER,
    -- Its unique keys, one a line, as they are in unique_keys too.
    carries TEXT,
    -- The last token given out.
    token INTEGER NOT NULL,
    -- The end of the last lease, unless it was released.
    leased_until INTEGER,
    -- When it was due for the last lease.
    due_since INTEGER,
    -- The first wake since the last lease.
    woken INTEGER,
    body TEXT NOT NULL,
    -- When the next lease may be given.
    wanted INTEGER AS (
        coalesce(leased_until, min(coalesce(due, woken), coalesce(woken, due)))
    ) VIRTUAL
) STRICT;

CREATE UNIQUE INDEX items_by_key ON items (kind, id);
CREATE INDEX items_by_wanted ON items (kind, wanted) WHERE wanted IS NOT NULL;
CREATE INDEX items_by_tenant ON items (tenant, kind, id) WHERE tenant IS NOT NULL;
CREATE INDEX items_by_name ON items (name, kind, id) WHERE name IS NOT NULL;
CREATE INDEX items_by_status ON items (kind, status, id) WHERE status IS NOT NULL;
CREATE INDEX items_by_expires ON items (kind, expires, id) WHERE expires IS NOT NULL;

-- Of no kind: its token is the highest of all items that were deleted, and new ones start there.
INSERT INTO items (item, kind, id, counter, operation, token, body)
VALUES (0, '', '', 0, zeroblob(16), 0, '');

CREATE TABLE unique_keys (
    key TEXT PRIMARY KEY,
    item INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (item, number)
) STRICT;
