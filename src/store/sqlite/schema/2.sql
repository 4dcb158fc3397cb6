-- Most domains are active, and few ask for all of those: they are found by their key.
DROP INDEX items_by_status;
CREATE INDEX items_by_status ON items (kind, status, id)
    WHERE status IS NOT NULL AND NOT (kind = 4 AND status = 'active');

-- Few items have expired, so that they can be sorted when they are asked for.
DROP INDEX items_by_expires;
CREATE INDEX items_by_expires ON items (kind, expires) WHERE expires IS NOT NULL;
