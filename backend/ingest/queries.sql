-- name: make_cursor
-- The cursor of a gateway's epoch, at its beginning.
INSERT INTO ingest_cursor (gateway, epoch, moved_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: lock_cursor
-- How far a gateway's epoch is committed, under the lock that lets one worker go on; with it the store's identity.
SELECT through, store_id::text AS store_id, store.made_at AS store_made_at, catalog_revision
FROM ingest_cursor, store WHERE gateway = $1 AND epoch = $2 FOR NO KEY UPDATE OF ingest_cursor

-- name: move_cursor
-- Everything up to this number is applied.
UPDATE ingest_cursor SET through = $3, moved_at = $4 WHERE gateway = $1 AND epoch = $2

-- name: tell
-- The movements of a batch for those who follow along, and the one notification of a transaction.
WITH told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload) SELECT $1, 'movement', $2, $3 WHERE $3::jsonb IS NOT NULL
)
SELECT pg_notify('tallyman_outbox', '')

-- name: close_batch
-- A batch is applied: the cursor of its stream moves to its last number, and tell.
WITH moved AS (
    UPDATE ingest_cursor SET through = $6, moved_at = $1 WHERE gateway = $4 AND epoch = $5
), told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload) SELECT $1, 'movement', $2, $3 WHERE $3::jsonb IS NOT NULL
)
SELECT pg_notify('tallyman_outbox', '')

-- name: find_items
-- Items that these EPCs are known by.
SELECT item_id, epc FROM unnest((SELECT $1::text::bytea[])) AS tag (epc) JOIN item USING (epc)

-- name: find_identities
-- Items that these identities are known by.
SELECT item_id, identity FROM item WHERE identity = ANY ($1::text[])

-- name: adopt_tags
-- Things known by their label alone get the EPC that names the same identity, by parallel arrays.
UPDATE item SET epc = tag.epc
FROM unnest($1::bytea[], $2::text[]) AS tag (epc, identity)
WHERE item.identity = tag.identity AND item.epc IS NULL
RETURNING item.item_id, item.epc, item.identity

-- name: add_items
-- New items by parallel arrays, in the order of their EPCs; those whose EPC or identity is taken are left out.
INSERT INTO item (epc, identity, kind, sku_id, lot_id, quantity, zone_id, first_sku_id, first_lot_id, first_quantity,
                  origin_zone_id, first_origin_zone_id, document)
SELECT epc, identity, kind, sku_id, lot_id, quantity, zone_id, sku_id, lot_id, quantity, origin_id, origin_id, document
FROM unnest($1::bytea[], $2::text[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::text[])
    AS i (epc, identity, kind, sku_id, lot_id, quantity, zone_id, origin_id, document)
ORDER BY epc, identity
ON CONFLICT DO NOTHING
RETURNING item_id, epc, identity

-- name: lock_items
-- Items with the state that their observations left, locked in the order of their numbers.
SELECT item_id, sku_id, lot_id, quantity, origin_zone_id, zone_id, condition, left_at, observed_at, gateway, epoch, seq,
       rides, contained, present, identity, epc
FROM unnest((SELECT $1::text::bigint[])) AS thing (item_id) JOIN item USING (item_id)
ORDER BY item_id FOR NO KEY UPDATE OF item

-- name: lock_known
-- What plain movements must know of the items of these EPCs, each with the place of its EPC among those asked for, locked
-- in the order of their numbers. Those that are new are left out.
SELECT item_id, sku_id, lot_id, quantity, origin_zone_id, zone_id, condition, left_at, observed_at, rides,
       kind = 'sscc' AS is_pallet, place::int - 1 AS place
FROM unnest((SELECT $1::text::bytea[])) WITH ORDINALITY AS tag (epc, place) JOIN item USING (epc)
ORDER BY item_id FOR NO KEY UPDATE OF item

-- name: save_items
-- The state of items after their observations, by parallel arrays. The array behind the sub-select keeps the plan what
-- it must be however many items there are: one look-up for each.
UPDATE item SET zone_id = s.zone_id, sku_id = s.sku_id, lot_id = s.lot_id, quantity = s.quantity,
    origin_zone_id = s.origin_id, condition = s.condition, left_at = s.left_at, present = s.present,
    observed_at = s.observed_at, gateway = s.gateway, epoch = s.epoch, seq = s.seq
FROM unnest((SELECT $1::text::bigint[]), $2::text::int[], $3::text::int[], $4::text::int[], $5::text::int[],
            $6::text::int[], $7::text::text[], $8::text::timestamptz[], $9::text::bool[], $10::text::timestamptz[],
            $11::text::text[], $12::text::text[], $13::text::bigint[])
    AS s (item_id, zone_id, sku_id, lot_id, quantity, origin_id, condition, left_at, present, observed_at, gateway,
          epoch, seq)
WHERE item.item_id = s.item_id

-- name: item_starts
-- What items were before their first observation.
SELECT item_id, first_sku_id, first_lot_id, first_quantity, first_origin_zone_id
FROM item WHERE item_id = ANY ($1::bigint[])

-- name: item_movements
-- Movements of items, as observations; those that were reversed are none.
SELECT item_id, observed_at, gateway, epoch, seq, kind, direction, place_id, site_id, condition, origin_id
FROM movement WHERE item_id = ANY ($1::bigint[]) AND NOT EXISTS (
    SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (movement.gateway, movement.epoch, movement.seq))

-- name: item_scans
-- Scans of items, as observations; those that were reversed are none.
SELECT item_id, observed_at, gateway, epoch, seq, place_id, leaves, condition, site_id
FROM scan WHERE item_id = ANY ($1::bigint[]) AND state = 'applied' AND (place_id IS NOT NULL OR condition IS NOT NULL)
  AND NOT EXISTS (SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (scan.gateway, scan.epoch, scan.seq))

-- name: item_bindings
-- Bindings of items, as observations.
SELECT binding_id, item_id, bound_at, sku_id, lot_id, quantity, origin_zone_id, zone_id, condition
FROM binding WHERE item_id = ANY ($1::bigint[])

-- name: add_movements
-- A gateway's movements at a site, recorded at one instant, by parallel arrays; those that end early are NULL from there
-- on. Items whose place now is given with them are put there: the rest of them is unchanged, and they are locked. Answers
-- the codes of SKUs.
WITH m AS MATERIALIZED (
    SELECT * FROM unnest((SELECT $5::text::timestamptz[]), $6::text::bigint[], $7::text::text[], $8::text::bigint[],
        $9::text::int[], $10::text::int[], $11::text::text[], $12::text::int[], $13::text::timestamptz[],
        $14::text::real[], $15::text::text[], $16::text::text[], $17::text::int[], $18::text::text[],
        $19::text::timestamptz[], $20::text::timestamptz[], $21::text::bigint[], $22::text::text[], $23::text::int[],
        $24::text::int[])
        AS m (observed_at, seq, kind, item_id, zone_id, portal_id, direction, place_id, decided_at, confidence, from_zone,
              method, reads, antennas, first_at, last_at, document_id, condition, origin_id, now_in)
), written AS (
    INSERT INTO movement (recorded_at, gateway, epoch, site_id, observed_at, seq, kind, item_id, zone_id, portal_id,
                          direction, place_id, decided_at, confidence, from_zone, method, reads, antennas, first_at,
                          last_at, document_id, condition, origin_id)
    SELECT $1, $2, $3, $4, observed_at, seq, kind, item_id, zone_id, portal_id, direction, place_id, decided_at, confidence,
           from_zone, method, reads, antennas, first_at, last_at, document_id, condition, origin_id
    FROM m
), put AS (
    UPDATE item SET zone_id = m.now_in, present = m.kind <> 'departed', observed_at = m.observed_at, gateway = $2,
        epoch = $3, seq = m.seq
    FROM m WHERE item.item_id = m.item_id AND m.now_in IS NOT NULL
)
SELECT sku_id, code FROM unnest((SELECT $25::text::int[])) AS asked (sku_id) JOIN sku USING (sku_id)

-- name: claim_scans
-- Scans by parallel arrays, refused until they are applied; those that came before are left out of the answer.
INSERT INTO scan (device, scan_id, recorded_at, observed_at, site_id, gateway, epoch, seq, operator, intent, code, zone,
                  quantity, lot, document, remark, photo)
SELECT device, scan_id, $1, observed_at, $2, $3, $4, seq, operator, intent, code, zone, quantity, lot, document, remark,
       photo
FROM unnest($5::text[], $6::text[], $7::timestamptz[], $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[],
            $13::int[], $14::text[], $15::text[], $16::text[], $17::text[])
    AS s (device, scan_id, observed_at, seq, operator, intent, code, zone, quantity, lot, document, remark, photo)
ORDER BY device, scan_id
ON CONFLICT (device, scan_id) DO NOTHING
RETURNING seq

-- name: settle_scans
-- What became of claimed scans, by parallel arrays.
UPDATE scan SET state = s.state, reason = s.reason, item_id = s.item_id, place_id = s.place_id, leaves = s.leaves,
    condition = s.condition
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::bool[], $8::text[])
    AS s (device, scan_id, state, reason, item_id, place_id, leaves, condition)
WHERE scan.device = s.device AND scan.scan_id = s.scan_id

-- name: repeat_scans
-- Scans that came again under another number, by parallel arrays.
INSERT INTO scan_repeat (gateway, epoch, seq, device, scan_id, recorded_at)
SELECT $1, $2, seq, device, scan_id, $3 FROM unnest($4::bigint[], $5::text[], $6::text[]) AS s (seq, device, scan_id)
ON CONFLICT DO NOTHING

-- name: note_damage
-- What damage scans found broken, by parallel arrays of number, instant, goods, thing, units, condition before, reason,
-- picture and operator: it stands with the inspections.
INSERT INTO inspection (inspected_at, site_id, sku_id, lot_id, item_id, quantity, condition, disposition, reason, photo,
                        actor, gateway, epoch, seq)
SELECT inspected_at, $1, sku_id, lot_id, item_id, quantity, condition, 'damage', reason, photo, actor, $2, $3, seq
FROM unnest($4::bigint[], $5::timestamptz[], $6::int[], $7::int[], $8::bigint[], $9::bigint[], $10::text[], $11::text[],
            $12::text[], $13::text[])
    AS d (seq, inspected_at, sku_id, lot_id, item_id, quantity, condition, reason, photo, actor)
ORDER BY seq

-- name: scan_outcomes
-- What became of scans, by parallel arrays.
SELECT device, scan_id, state, reason
FROM unnest($1::text[], $2::text[]) AS s (device, scan_id) JOIN scan USING (device, scan_id)

-- name: held_stock
-- What a site's zones hold of SKUs, sellable and above nothing.
SELECT balance.zone_id, balance.sku_id, balance.lot_id, balance.condition, balance.net, lot.code AS lot, lot.expires_on
FROM balance JOIN lot USING (lot_id)
WHERE balance.site_id = $1 AND balance.sku_id = ANY ($2::int[]) AND balance.condition = 'sellable' AND net > 0

-- name: named_counts
-- Counts that scans name, by parallel arrays of code and instant: and whether one of their rounds was open then.
SELECT DISTINCT code, at, site_id, status, zone_ids, EXISTS (
    SELECT FROM count_round
    WHERE count_round.count_id = stock_count.count_id AND opened_at <= at AND (closed_at IS NULL OR at <= closed_at)) AS open
FROM unnest($1::text[], $2::timestamptz[]) AS n (code, at) JOIN stock_count USING (code)

-- name: lotted
-- Those of these SKUs that have lots.
SELECT DISTINCT sku_id FROM lot WHERE sku_id = ANY ($1::int[]) AND code <> ''

-- name: note_health
-- Reader health by parallel arrays.
INSERT INTO reader_health (gateway, epoch, seq, reader, state, detail, observed_at)
SELECT $1, $2, h.* FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::timestamptz[]) AS h

-- name: add_lost
-- Numbers whose events no longer exist.
INSERT INTO lost_range (gateway, epoch, from_seq, through_seq, reason, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)

-- name: put_gateway
-- A gateway's newest word on itself, and since when it is as it is.
INSERT INTO gateway (gateway, site_id, online, config_hash, status, status_at)
VALUES ($1, (SELECT site_id FROM site WHERE code = $2), $3, $4, $5, $6)
ON CONFLICT (gateway) DO UPDATE SET site_id = excluded.site_id, online = excluded.online,
    config_hash = excluded.config_hash, status = excluded.status,
    status_at = CASE WHEN excluded.online OR gateway.online THEN excluded.status_at ELSE gateway.status_at END

-- name: goods_named
-- What lots are, in the codes that people use.
SELECT lot_id, sku.code AS sku, lot.code AS lot FROM lot JOIN sku USING (sku_id) WHERE lot_id = ANY ($1::int[])

-- name: standing_unknowns
-- Alerts that stand for names of a gateway that the catalog lacked.
SELECT key FROM alert WHERE kind = 'unknown_place' AND cleared_at IS NULL AND starts_with(key, $1)

-- name: set_aside
-- Events that cannot be applied as they are, by parallel arrays.
INSERT INTO quarantine (recorded_at, site, gateway, epoch, seq, cause, reason, event, raw)
SELECT $1, $2, $3, $4, q.* FROM unnest($5::bigint[], $6::text[], $7::text[], $8::jsonb[], $9::bytea[]) AS q

-- name: set_bytes_aside
-- Bytes that are no message; the same bytes again are not kept twice.
INSERT INTO quarantine (recorded_at, site, gateway, cause, reason, raw)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT FROM quarantine WHERE cause = $4 AND state = 'open' AND gateway = $3 AND raw = $6)

-- name: open_quarantine
-- Open rows of a cause with a number of their own, after a row, for one worker at a time.
SELECT quarantine_id, site, gateway, epoch, seq, event, raw
FROM quarantine
WHERE state = 'open' AND cause = $1 AND quarantine_id > $2 AND seq IS NOT NULL
ORDER BY quarantine_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED

-- name: settle_quarantine
-- Rows whose events are applied now.
UPDATE quarantine SET state = 'replayed', settled_at = $2 WHERE quarantine_id = ANY ($1::bigint[])

-- name: rename_causes
-- Rows that another mend must settle now, by parallel arrays.
UPDATE quarantine SET cause = q.cause, reason = q.reason
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS q (quarantine_id, cause, reason)
WHERE quarantine.quarantine_id = q.quarantine_id

-- name: dismiss_quarantine
-- Rows of a cause that nobody will mend; their numbers stay accounted for.
UPDATE quarantine SET state = 'dismissed', settled_at = $2 WHERE state = 'open' AND cause = $1

-- name: store_facts
-- The store's identity and the catalog's revision.
SELECT store_id::text AS store_id, catalog_revision FROM store

-- name: add_binding
-- What a document says of an item with a history.
INSERT INTO binding (item_id, bound_at, sku_id, lot_id, quantity, origin_zone_id, zone_id, condition, document, actor)
SELECT item_id, $1, sku_id, lot_id, quantity, origin_id, zone_id, condition, document, $2
FROM unnest($3::bigint[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::text[], $10::text[])
    AS b (item_id, sku_id, lot_id, quantity, origin_id, zone_id, condition, document)
RETURNING binding_id, item_id

-- name: add_words
-- A person's words on things, by parallel arrays of document (or reason), item, instant, zone and condition.
INSERT INTO binding (item_id, bound_at, zone_id, condition, document, actor)
SELECT item_id, bound_at, zone_id, condition, document, $1
FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::int[], $6::text[])
    AS w (document, item_id, bound_at, zone_id, condition)
RETURNING binding_id, item_id, bound_at

-- name: name_documents
-- The document that items came with, by parallel arrays.
UPDATE item SET document = d.document FROM unnest($1::bigint[], $2::text[]) AS d (item_id, document)
WHERE item.item_id = d.item_id

-- name: scan_to_reverse
-- One scan, and how it was numbered.
SELECT gateway, epoch, seq, site_id, intent, state, item_id, document, observed_at
FROM scan WHERE device = $1 AND scan_id = $2

-- name: scan_of_event
-- The same of the scan that came as an event.
SELECT gateway, epoch, seq, site_id, intent, state, item_id, document, observed_at
FROM scan WHERE gateway = $1 AND epoch = $2 AND seq = $3

-- name: crossed_under
-- The document at the door that a thing crossed by that event, which way, and when.
SELECT document_id, code, observed_at, direction FROM movement JOIN document USING (document_id)
WHERE item_id = $1 AND (gateway, epoch, seq) = ($2, $3, $4)

-- name: posting_to_reverse
-- One posting, and the event that made it.
SELECT posting_id, gateway, epoch, seq, item_id, reverses_id FROM posting WHERE posting_id = $1

-- name: add_reversal
-- Take an event or a posting back; nothing when that was done before.
INSERT INTO reversal (reversed_at, gateway, epoch, seq, posting_id, reason, actor) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING RETURNING reversal_id

-- name: postings_of_units
-- Postings of units without serial numbers that an event made, or one such posting by its number: those that stand.
SELECT posting_id, posting.observed_at, quantity, document,
       taken.zone_id AS from_zone_id, taken.sku_id, taken.lot_id AS from_lot_id, taken.condition AS from_condition,
       given.zone_id AS to_zone_id, given.lot_id AS to_lot_id, given.condition AS to_condition
FROM posting
JOIN balance AS taken ON taken.balance_id = from_balance_id
JOIN balance AS given ON given.balance_id = to_balance_id
WHERE posting.item_id IS NULL AND reverses_id IS NULL
  AND NOT EXISTS (SELECT FROM posting AS back WHERE back.reverses_id = posting.posting_id)
  AND (posting_id = $4 OR (gateway = $1 AND epoch = $2 AND seq = $3))
ORDER BY posting_id
