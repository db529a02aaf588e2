-- Rows that are written thousands of times a second, made narrower.

-- What a movement rests on, as columns: as jsonb it took more time to write than the rest of the row.
ALTER TABLE movement ADD COLUMN from_zone text, ADD COLUMN method text, ADD COLUMN reads integer,
    ADD COLUMN antennas text, ADD COLUMN first_at timestamptz, ADD COLUMN last_at timestamptz;
UPDATE movement SET from_zone = detail ->> 'from_zone', method = coalesce(detail ->> 'method', ''),
    reads = (detail #>> '{evidence,reads}')::integer,
    antennas = (SELECT string_agg(name, ' ') FROM jsonb_array_elements_text(detail #> '{evidence,antennas}') AS name),
    first_at = (detail #>> '{evidence,first_at}')::timestamptz, last_at = (detail #>> '{evidence,last_at}')::timestamptz
WHERE detail IS NOT NULL;
ALTER TABLE movement DROP COLUMN detail;
COMMENT ON COLUMN movement.reads IS 'With antennas, first_at and last_at: what the gateway saw before it decided.';

-- The outbox is trimmed; who had not read so far must know.
ALTER TABLE store ADD COLUMN trimmed_xid xid8 NOT NULL DEFAULT '0', ADD COLUMN trimmed_id bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN store.trimmed_xid IS
    'With trimmed_id: the last row of the outbox, in its order, that is gone. Who has not read so far has missed some.';

-- A batch's movements have one instant: an index of instants alone holds each once for a thousand rows.
DROP INDEX movement_recent;
CREATE INDEX movement_recent ON movement (recorded_at);
