-- Instants are microseconds since 1970 in UTC; ids of tenants and operations are 16 bytes.
CREATE TABLE items (
    item INTEGER PRIMARY KEY,
    -- A number for each kind: the view `readable` says which.
    kind INTEGER NOT NULL,
    -- 16 bytes, if the text is 32 lower-case hexadecimal characters, as most are.
    id ANY NOT NULL,
    -- The revision.
    counter INTEGER NOT NULL,
    operation BLOB NOT NULL,
    -- The header.
    tenant BLOB,
    name TEXT,
    status TEXT,
    expires INTEGER,
    due INTEGER,
    -- Its unique keys, one a line: char(1) is the tenant and char(2) the name.
    carries TEXT,
    -- The last token given out.
    token INTEGER NOT NULL,
    -- The end of the last lease, unless it was released.
    leased_until INTEGER,
    -- When it was due for that lease.
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
-- Few items have the same name, so that they can be sorted when they are asked for.
CREATE INDEX items_by_name ON items (name, kind) WHERE name IS NOT NULL;
CREATE INDEX items_by_status ON items (kind, status, id) WHERE status IS NOT NULL;
CREATE INDEX items_by_expires ON items (kind, expires, id) WHERE expires IS NOT NULL;

-- Of no kind: its token is the highest of all items that were deleted, and new ones start there.
INSERT INTO items (item, kind, id, counter, operation, token, body)
VALUES (0, 0, '', 0, zeroblob(16), 0, '');

-- The first 16 bytes of the SHA-256 of each unique key.
CREATE TABLE unique_keys (
    digest BLOB PRIMARY KEY,
    item INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (item, number)
) STRICT;

-- For people: nothing reads it.
CREATE VIEW readable AS SELECT
    item,
    CASE kind
        WHEN 1 THEN 'account'
        WHEN 2 THEN 'answer'
        WHEN 3 THEN 'certificate'
        WHEN 4 THEN 'domain'
        WHEN 5 THEN 'feed'
        WHEN 6 THEN 'key'
        WHEN 7 THEN 'ledger'
        WHEN 8 THEN 'order'
        WHEN 9 THEN 'pause'
        WHEN 10 THEN 'registration'
        WHEN 11 THEN 'sealing'
        ELSE kind
    END AS kind,
    CASE typeof(id) WHEN 'blob' THEN lower(hex(id)) ELSE id END AS id,
    counter AS revision,
    lower(hex(tenant)) AS tenant,
    name,
    status,
    datetime(expires / 1000000, 'unixepoch') AS expires,
    datetime(due / 1000000, 'unixepoch') AS due,
    datetime(leased_until / 1000000, 'unixepoch') AS leased_until,
    replace(replace(carries, char(1), lower(hex(tenant))), char(2), coalesce(name, '')) AS carries,
    body
FROM items WHERE item > 0;
