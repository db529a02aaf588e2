-- name: with_contents
-- Things, and whatever was ever said to be on them, through as many steps as there are.
WITH RECURSIVE below AS (
    SELECT unnest($1::bigint[]) AS item_id
    UNION SELECT aggregation.item_id FROM aggregation JOIN below ON aggregation.parent_id = below.item_id
)
SELECT item_id FROM below

-- name: with_parents
-- Things, and whatever they were ever said to be on, through as many steps as there are.
WITH RECURSIVE above AS (
    SELECT unnest($1::bigint[]) AS item_id
    UNION SELECT parent_id FROM aggregation JOIN above USING (item_id) WHERE parent_id IS NOT NULL
)
SELECT item_id FROM above

-- name: joins
-- What was said of things and the pallets they are on; what was reversed is not.
SELECT item_id, parent_id, observed_at, gateway, epoch, coalesce(seq, aggregation_id) AS seq
FROM aggregation AS a WHERE item_id = ANY ($1::bigint[])
  AND NOT EXISTS (SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (a.gateway, a.epoch, a.seq))

-- name: add_joins
-- Things that are on a pallet from an instant on, or on nothing, by parallel arrays; their keys, numbered in that order.
WITH said AS (
    INSERT INTO aggregation (item_id, parent_id, observed_at, gateway, epoch, seq, document, actor, recorded_at)
    SELECT item_id, parent_id, observed_at, gateway, epoch, seq, document, actor, $1
    FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                $9::text[]) WITH ORDINALITY
        AS j (item_id, parent_id, observed_at, gateway, epoch, seq, document, actor, place)
    ORDER BY place
    RETURNING aggregation_id, observed_at, gateway, epoch, coalesce(seq, aggregation_id) AS seq
), marked AS (
    UPDATE item SET contained = true WHERE NOT contained AND item_id = ANY ($2::bigint[])
)
SELECT aggregation_id, observed_at, gateway, epoch, seq FROM said

-- name: hold_nesting
-- One transaction at a time may put pallets on pallets, so that none ends up on itself.
SELECT pg_advisory_xact_lock(7265103)

-- name: save_parents
-- What things are on, whether that was seen anywhere, and what they parted from, by parallel arrays; answers the pallets
-- whose parted things changed.
WITH told AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bool[])
        AS t (item_id, parent_id, parted_from, rides)
), before AS (
    SELECT item_id, item.parted_from AS was FROM item JOIN told USING (item_id)
), changed AS (
    UPDATE item SET parent_id = told.parent_id, parted_from = told.parted_from, rides = told.rides FROM told
    WHERE item.item_id = told.item_id
      AND (item.parent_id, item.parted_from, item.rides) IS DISTINCT FROM (told.parent_id, told.parted_from, told.rides)
)
SELECT DISTINCT pallet_id FROM before JOIN told USING (item_id), unnest(ARRAY[was, told.parted_from]) AS p (pallet_id)
WHERE was IS DISTINCT FROM told.parted_from AND pallet_id IS NOT NULL

-- name: parted
-- How many things parted from each of these pallets, and where the pallets are.
SELECT pallet.item_id, coalesce(pallet.identity, upper(encode(pallet.epc, 'hex'))) AS pallet, zone.site_id,
       count(item.item_id) AS things
FROM item AS pallet JOIN zone USING (zone_id)
LEFT JOIN item ON item.parted_from = pallet.item_id
WHERE pallet.item_id = ANY ($1::bigint[])
GROUP BY pallet.item_id, zone.site_id

-- name: count_carried
-- Things that crossed doors on a pallet, by parallel arrays of thing, pallet and the pallet's observation: they left or
-- came under the document that explained the pallet's crossing, or that the pallet's scan named.
WITH carried AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[])
        AS c (item_id, pallet_id, observed_at, gateway, epoch, seq)
), under AS (
    SELECT carried.item_id, document_id, carried.observed_at, direction = 'out' AS is_gone
    FROM carried JOIN movement AS m ON m.item_id = pallet_id AND m.observed_at = carried.observed_at
        AND (m.gateway, m.epoch, m.seq) = (carried.gateway, carried.epoch, carried.seq)
    JOIN document USING (document_id)
    -- as effects/crossing.py says it of the pallet itself (Opening.explains)
    WHERE CASE direction
        WHEN 'out' THEN document.kind IN ('shipment', 'transfer') AND document.site_id = m.site_id
        WHEN 'in' THEN document.kind IN ('receipt', 'return') OR document.to_site_id = m.site_id END
    UNION ALL
    SELECT carried.item_id, document_id, carried.observed_at, intent = 'ship'
    FROM carried JOIN scan AS s ON s.item_id = pallet_id
        AND (s.gateway, s.epoch, s.seq) = (carried.gateway, carried.epoch, carried.seq)
    JOIN document ON document.code = s.document
    WHERE intent IN ('ship', 'receive') AND state = 'applied'
)
INSERT INTO document_item (document_id, item_id, gone_at, come_at)
SELECT document_id, item_id, max(observed_at) FILTER (WHERE is_gone), min(observed_at) FILTER (WHERE NOT is_gone)
FROM under GROUP BY document_id, item_id ORDER BY document_id, item_id
ON CONFLICT (document_id, item_id) DO UPDATE SET gone_at = greatest(document_item.gone_at, excluded.gone_at),
    come_at = coalesce(document_item.come_at, excluded.come_at)
RETURNING document_id, come_at IS NOT NULL AS has_come

-- name: take_back_come
-- Things have not come of a document by an event of an instant that was taken back, unless others say that they have: the
-- first of those counts in its place. Others are crossings and receiving scans of the thing, or of its pallet while it was
-- on it (by parallel arrays of thing, pallet and the pallet's observation); and of a transfer whatever saw it at the site
-- that it went to, since it left.
WITH come AS (
    SELECT item_id, gone_at, expected OR gone_at IS NOT NULL AS stays
    FROM document_item WHERE document_id = $1 AND item_id = ANY ($2::bigint[]) AND come_at = $3
), carried AS (
    SELECT c.*, gone_at
    FROM unnest($4::bigint[], $5::bigint[], $6::timestamptz[], $7::text[], $8::text[], $9::bigint[])
        AS c (item_id, pallet_id, observed_at, gateway, epoch, seq) JOIN come USING (item_id)
), moved AS (
    SELECT m.item_id, gone_at, m.observed_at, m.gateway, m.epoch, m.seq, m.document_id, m.site_id, m.kind, m.direction
    FROM come JOIN movement AS m USING (item_id)
    UNION ALL
    SELECT c.item_id, gone_at, m.observed_at, m.gateway, m.epoch, m.seq, m.document_id, m.site_id, m.kind, m.direction
    FROM carried AS c JOIN movement AS m ON m.item_id = pallet_id AND m.observed_at = c.observed_at
        AND (m.gateway, m.epoch, m.seq) = (c.gateway, c.epoch, c.seq)
), scanned AS (
    SELECT s.item_id, s.observed_at, s.gateway, s.epoch, s.seq, s.document, intent, state
    FROM come JOIN scan AS s USING (item_id)
    UNION ALL
    SELECT c.item_id, s.observed_at, s.gateway, s.epoch, s.seq, s.document, intent, state
    FROM carried AS c JOIN scan AS s ON s.item_id = pallet_id AND (s.gateway, s.epoch, s.seq) = (c.gateway, c.epoch, c.seq)
), witness AS (
    SELECT item_id, observed_at, gateway, epoch, seq FROM moved JOIN document ON document.document_id = $1
    WHERE moved.document_id = $1 AND direction = 'in'
          AND (document.kind IN ('receipt', 'return') OR document.to_site_id = moved.site_id)
       OR document.to_site_id = moved.site_id AND gone_at <= observed_at
          AND moved.kind <> 'departed' AND direction IS DISTINCT FROM 'out'
    UNION ALL
    SELECT item_id, observed_at, gateway, epoch, seq FROM scanned JOIN document ON document.code = scanned.document
    WHERE document_id = $1 AND intent = 'receive' AND state = 'applied'
), told AS (
    SELECT item_id, stays, (
        SELECT min(observed_at) FROM witness AS w WHERE w.item_id = come.item_id AND NOT EXISTS (
            SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (w.gateway, w.epoch, w.seq))) AS come_at
    FROM come
), kept AS (
    UPDATE document_item SET come_at = told.come_at FROM told
    WHERE document_id = $1 AND document_item.item_id = told.item_id AND (stays OR told.come_at IS NOT NULL)
)
DELETE FROM document_item USING told
WHERE document_id = $1 AND document_item.item_id = told.item_id AND NOT stays AND told.come_at IS NULL

-- name: carried_to
-- The sites at which pallets were seen, by parallel arrays of thing, pallet and the pallet's observation.
SELECT c.item_id, c.observed_at, m.site_id
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[])
    AS c (item_id, pallet_id, observed_at, gateway, epoch, seq)
JOIN movement AS m ON m.item_id = pallet_id AND m.observed_at = c.observed_at
    AND (m.gateway, m.epoch, m.seq) = (c.gateway, c.epoch, c.seq)
WHERE m.kind <> 'departed' AND m.direction IS DISTINCT FROM 'out'

-- name: loads
-- What stands on a pallet, in the order of numbers, behind a number.
SELECT item.item_id, upper(encode(item.epc, 'hex')) AS epc, item.identity, sku.code AS sku, lot.code AS lot,
       item.quantity, site.code AS site, zone.code AS zone
FROM item AS pallet JOIN item ON item.parent_id = pallet.item_id
JOIN zone ON zone.zone_id = item.zone_id JOIN site ON site.site_id = zone.site_id
LEFT JOIN sku ON sku.sku_id = item.sku_id LEFT JOIN lot ON lot.lot_id = item.lot_id
WHERE pallet.identity = $1 AND item.item_id > $2 ORDER BY item.item_id LIMIT $3

-- name: pallet
-- One pallet: where it is, how many things stand on it, and how many were read elsewhere.
SELECT pallet.identity, upper(encode(pallet.epc, 'hex')) AS epc, site.code AS site, zone.code AS zone,
       (SELECT count(*) FROM item WHERE item.parent_id = pallet.item_id) AS things,
       (SELECT count(*) FROM item WHERE item.parted_from = pallet.item_id) AS parted
FROM item AS pallet JOIN zone ON zone.zone_id = pallet.zone_id JOIN site ON site.site_id = zone.site_id
WHERE pallet.identity = $1

-- name: on_pallet
-- Which of these things stand on a pallet.
SELECT item_id FROM item WHERE item_id = ANY ($1::bigint[]) AND parent_id = $2

-- name: thing_of_event
-- Which of a thing and everything it was ever on an event (gateway, epoch, number) spoke of.
WITH RECURSIVE above AS (
    SELECT $1::bigint AS item_id
    UNION SELECT parent_id FROM aggregation JOIN above USING (item_id) WHERE parent_id IS NOT NULL
)
SELECT item_id FROM movement JOIN above USING (item_id) WHERE (gateway, epoch, seq) = ($2, $3, $4)
UNION SELECT item_id FROM scan JOIN above USING (item_id) WHERE (gateway, epoch, seq) = ($2, $3, $4)
