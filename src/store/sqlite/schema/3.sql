-- What most bodies repeat takes one byte of them, a control character: `readable` says which stands
-- for what. A body that has one of those of its own comes after char(31).
UPDATE items SET body = char(31) || body
    -- One of 1 to 8, 11, 12 and 14 to 31.
    WHERE body GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42)
    -- GLOB looks no further than the first of these.
    OR instr(body, char(0)) > 0;

DROP VIEW readable;
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
    CASE unicode(body) WHEN 31 THEN substr(body, 2) ELSE
        replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(replace(body,
            char(1), '{"v":3,"created":'),
            char(2), ',"status":"active","challenge":{"at":"_'),
            char(3), ',"status":"active"'),
            char(4), ',"challenge":{"at":"'),
            char(5), '","digest":"'),
            char(6), '"},"delegation":"'),
            char(7), ',"delegation":"'),
            char(8), '"},"ownership":{"at":'),
            char(11), '","ownership":{"at":'),
            char(12), ',"ownership":{"at":'),
            char(14), ',"since":'),
            char(15), ',"count":'),
            char(16), '},"routing":{"seen":["'),
            char(17), ',"routing":{"seen":["'),
            char(18), '"]},"delegated":{},"certificate":{"id":"'),
            char(19), '"]},"certificate":{"id":"'),
            char(20), ',"delegated":{}'),
            char(21), ',"certificate":{"id":"'),
            char(22), '","from":'),
            char(23), '},"ordered":'),
            char(24), ',"ordered":')
    END AS body
FROM items WHERE item > 0;
