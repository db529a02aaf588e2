-- name: openings
-- What stood open at doors within a span of time.
SELECT portal_id, document_id, document.code, kind, opened_at, closed_at, document.site_id = portal.site_id AS at_source
FROM door_opening JOIN document USING (document_id) JOIN portal USING (portal_id)
WHERE portal_id = ANY ($1::int[]) AND opened_at <= $3 AND (closed_at IS NULL OR closed_at >= $2)

-- name: own_rules
-- Where a site's crossings mean something else than usual.
SELECT direction, kind, place, condition FROM crossing_rule WHERE site_id = $1

-- name: put_crossing_rule
-- What a crossing means at a site.
INSERT INTO crossing_rule (site_id, direction, kind, place, condition)
SELECT site_id, $2, $3, $4, $5 FROM site WHERE code = $1
ON CONFLICT (site_id, direction, kind) DO UPDATE SET place = excluded.place, condition = excluded.condition
RETURNING site_id

-- name: add_document
-- A new document; nothing when its code is taken.
INSERT INTO document (code, kind, site_id, to_site_id, order_id, party, status, promised_at, made_at, changed_at, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
ON CONFLICT (code) DO NOTHING RETURNING document_id

-- name: add_document_lines
-- Lines of a new document, by parallel arrays.
INSERT INTO document_line (document_id, line_no, sku_id, lot_id, expected)
SELECT $1, l.* FROM unnest($2::int[], $3::int[], $4::int[], $5::bigint[]) AS l

-- name: lock_document
-- One document, locked.
SELECT document_id, document.code, kind, document.site_id, to_site_id, order_id, status, left_at, revision
FROM document WHERE code = $1 FOR NO KEY UPDATE

-- name: set_document_status
-- The status of a document after an event.
UPDATE document SET status = $2, changed_at = $3, revision = revision + 1 WHERE document_id = $1

-- name: moved_anything
-- Whether anything of a document has left or come.
SELECT EXISTS (SELECT FROM document_item WHERE document_id = $1 AND (gone_at IS NOT NULL OR come_at IS NOT NULL))
    OR EXISTS (SELECT FROM document_line WHERE document_id = $1 AND (gone > 0 OR come > 0))

-- name: missing_things
-- Things that left under a document and have not come.
SELECT item_id, gone_at FROM document_item WHERE document_id = $1 AND gone_at IS NOT NULL AND come_at IS NULL

-- name: missing_units
-- Units without serial numbers that left under a document and have not come; what came damaged came.
SELECT sku_id, lot_id, gone - come AS missing FROM document_line WHERE document_id = $1 AND gone > come

-- name: things_lost
-- Things that left under a transfer, have not come, and were seen nowhere since.
SELECT item_id, gone_at
FROM document JOIN document_item USING (document_id) JOIN item USING (item_id) JOIN zone USING (zone_id)
WHERE document.code = $1 AND gone_at IS NOT NULL AND come_at IS NULL AND zone.kind = 'in_transit' ORDER BY item_id

-- name: units_under_way
-- Units without serial numbers that a document's postings left in a zone, by what they are.
SELECT sku_id, lot_id, condition, sum(units)::bigint AS units FROM (
    SELECT balance_id, quantity AS units FROM balance JOIN posting ON to_balance_id = balance_id
    WHERE site_id = $1 AND zone_id = $2 AND posting.document = $3 AND item_id IS NULL
    UNION ALL
    SELECT balance_id, -quantity FROM balance JOIN posting ON from_balance_id = balance_id
    WHERE site_id = $1 AND zone_id = $2 AND posting.document = $3 AND item_id IS NULL
) AS entry JOIN balance USING (balance_id)
GROUP BY sku_id, lot_id, condition HAVING sum(units) <> 0 ORDER BY sku_id, lot_id, condition

-- name: lines_to_allocate
-- What a transfer wants, by line.
SELECT line_id, line_no, document_line.sku_id, sku.code AS sku, lot_id, lot.code AS lot, lot.expires_on, expected
FROM document_line JOIN sku USING (sku_id) LEFT JOIN lot USING (lot_id)
WHERE document_id = $1 ORDER BY line_no

-- name: lock_source
-- What a site holds of SKUs and may send elsewhere on a day of its own, locked in lock order.
SELECT availability_id, sku_id, lot_id, expires_on, greatest(on_hand - reserved, 0) AS free
FROM availability JOIN lot USING (lot_id, sku_id)
WHERE site_id = $1 AND sku_id = ANY ($2::int[]) AND condition = 'sellable' AND lot.status = 'released'
  AND (lot.expires_on IS NULL OR lot.expires_on >= $3::date)
ORDER BY site_id, sku_id, lot_id, condition FOR NO KEY UPDATE OF availability

-- name: transfer_allocations
-- What a transfer's lines hold, and what fell short of them.
SELECT allocation_id, held FROM allocation JOIN document_line ON line_id = holder_id
WHERE holder_kind = 'transfer' AND document_id = $1 AND (held > 0 OR short > 0) ORDER BY allocation_id

-- name: promises_of
-- What was promised to the orders and transfers that these documents serve, and is still open.
SELECT document_id, allocation_id, site_id, sku_id, lot_id, open FROM (
    SELECT document_id, allocation_id, availability_id, held + short AS open
    FROM document JOIN document_line USING (document_id)
    JOIN allocation ON holder_kind = 'transfer' AND holder_id = document_line.line_id
    WHERE document_id = ANY ($1::bigint[]) AND kind = 'transfer'
    UNION ALL
    SELECT document_id, allocation_id, availability_id, held + short
    FROM document JOIN order_line USING (order_id)
    JOIN allocation ON holder_kind = 'order' AND holder_id = order_line.line_id
    WHERE document_id = ANY ($1::bigint[]) AND kind = 'shipment'
) AS promised JOIN availability USING (availability_id)
WHERE open > 0 ORDER BY allocation_id

-- name: note_gone
-- Things that left under documents, by parallel arrays.
INSERT INTO document_item (document_id, item_id, gone_at)
SELECT DISTINCT ON (document_id, item_id) document_id, item_id, at
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS g (document_id, item_id, at)
ORDER BY document_id, item_id, at DESC
ON CONFLICT (document_id, item_id) DO UPDATE SET gone_at = greatest(document_item.gone_at, excluded.gone_at)

-- name: note_come
-- Things that came under documents, by parallel arrays.
INSERT INTO document_item (document_id, item_id, come_at)
SELECT DISTINCT ON (document_id, item_id) document_id, item_id, at
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS c (document_id, item_id, at)
ORDER BY document_id, item_id, at
ON CONFLICT (document_id, item_id) DO UPDATE SET come_at = coalesce(document_item.come_at, excluded.come_at)

-- name: note_arrived
-- Things seen at the site that a transfer took them to, by parallel arrays: they have come, whatever stands at the door.
-- Answers the transfers.
UPDATE document_item SET come_at = seen.at
FROM unnest($1::bigint[], $2::timestamptz[]) AS seen (item_id, at), document
WHERE document_item.item_id = seen.item_id AND document.document_id = document_item.document_id
  AND document.kind = 'transfer' AND document.to_site_id = $3
  AND come_at IS NULL AND gone_at IS NOT NULL AND gone_at <= seen.at
RETURNING document_item.document_id

-- name: turn_back
-- Things that came back in under the document they had left under, by parallel arrays of document, thing and instant:
-- they have not left under it. Answers those.
WITH back AS (
    SELECT document_id, item_id, expected OR come_at IS NOT NULL AS stays
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS b (document_id, item_id, at)
    JOIN document_item USING (document_id, item_id)
    WHERE gone_at <= at
), kept AS (
    UPDATE document_item SET gone_at = NULL FROM back
    WHERE (document_item.document_id, document_item.item_id) = (back.document_id, back.item_id) AND stays
), dropped AS (
    DELETE FROM document_item USING back
    WHERE (document_item.document_id, document_item.item_id) = (back.document_id, back.item_id) AND NOT stays
)
SELECT DISTINCT document_id, item_id FROM back

-- name: kept_promises
-- What was promised to the orders and transfers that these documents serve, and was kept, while they still wait for it.
SELECT document_id, allocation_id, site_id, sku_id, lot_id, fulfilled FROM (
    SELECT document_id, allocation_id, availability_id, fulfilled
    FROM document JOIN document_line USING (document_id)
    JOIN allocation ON holder_kind = 'transfer' AND holder_id = document_line.line_id
    WHERE document_id = ANY ($1::bigint[]) AND kind = 'transfer' AND document.status = 'allocated'
    UNION ALL
    SELECT document_id, allocation_id, availability_id, fulfilled
    FROM document JOIN sales_order USING (order_id) JOIN order_line USING (order_id)
    JOIN allocation ON holder_kind = 'order' AND holder_id = order_line.line_id
    WHERE document_id = ANY ($1::bigint[]) AND kind = 'shipment'
      AND sales_order.status IN ('confirmed', 'picking', 'packed')
) AS promised JOIN availability USING (availability_id)
ORDER BY allocation_id

-- name: first_left
-- When the first thing left under documents.
UPDATE document SET left_at = coalesce(left_at, $2) WHERE document_id = ANY ($1::bigint[]) AND left_at IS NULL

-- name: add_departures
-- Things that left without a document, by parallel arrays.
INSERT INTO departure (gateway, epoch, seq, item_id, portal_id, observed_at)
SELECT $1, $2, d.* FROM unnest($3::bigint[], $4::bigint[], $5::int[], $6::timestamptz[]) AS d
ON CONFLICT DO NOTHING

-- name: open_door
-- A document stands open at a door from now on; what stood there before is closed. Nothing when the door is unknown.
WITH door AS (
    SELECT portal_id FROM portal JOIN site USING (site_id) WHERE site.code = $1 AND portal.code = $2
), closed AS (
    UPDATE door_opening SET closed_at = $4 WHERE portal_id = (SELECT portal_id FROM door) AND closed_at IS NULL
    RETURNING portal_id
)
SELECT door.portal_id, (SELECT count(*) FROM closed) AS closed FROM door, document WHERE document.document_id = $3

-- name: standing_doors
-- Every door, of one site or of all, with what stands open at it.
SELECT site.code AS site, portal.code AS portal, document.code AS document
FROM portal JOIN site USING (site_id)
LEFT JOIN door_opening ON door_opening.portal_id = portal.portal_id AND closed_at IS NULL
LEFT JOIN document USING (document_id)
WHERE ($1::text IS NULL OR site.code = $1) AND (site.code, portal.code) > ($2, $3)
ORDER BY site.code, portal.code LIMIT $4

-- name: add_opening
-- The opening itself, after the one before it was closed.
INSERT INTO door_opening (portal_id, document_id, opened_at, actor) VALUES ($1, $2, $3, $4)

-- name: close_door
-- Nothing stands open at a door any more; answers the document that did.
UPDATE door_opening SET closed_at = $3
FROM portal, site, document
WHERE door_opening.portal_id = portal.portal_id AND portal.site_id = site.site_id AND site.code = $1 AND portal.code = $2
  AND document.document_id = door_opening.document_id AND closed_at IS NULL
RETURNING document.code

-- name: close_doors_of
-- A document that ended stands open nowhere.
UPDATE door_opening SET closed_at = $2 WHERE document_id = $1 AND closed_at IS NULL

-- name: document_heads
-- Documents of these codes.
SELECT document_id, document.code, kind, site.code AS site, to_site.code AS to_site, sales_order.code AS "order", party,
       document.status, promised_at, left_at, made_at, document.changed_at, document.revision
FROM document JOIN site ON site.site_id = document.site_id
LEFT JOIN site AS to_site ON to_site.site_id = document.to_site_id
LEFT JOIN sales_order USING (order_id)
WHERE document.code = ANY ($1::text[])

-- name: document_lines
-- The lines of documents: expected, gone and come, things with and without serial numbers together; and what came
-- beyond that and was accepted.
WITH thing AS (
    SELECT document_id, item.sku_id, item.lot_id, sum(quantity) FILTER (WHERE gone_at IS NOT NULL)::bigint AS gone,
           sum(quantity) FILTER (WHERE come_at IS NOT NULL)::bigint AS come
    FROM document_item JOIN item USING (item_id) WHERE document_id = ANY ($1::bigint[]) AND item.sku_id IS NOT NULL
    GROUP BY document_id, item.sku_id, item.lot_id
), line AS (
    SELECT document_id, sku_id, lot_id, min(line_no) AS line_no, sum(expected)::bigint AS expected,
           sum(gone)::bigint AS gone, sum(come)::bigint AS come, sum(damaged)::bigint AS damaged
    FROM document_line WHERE document_id = ANY ($1::bigint[]) GROUP BY document_id, sku_id, lot_id
), unlotted AS (
    SELECT document_id, sku_id, sum(gone)::bigint AS gone, sum(come)::bigint AS come FROM thing
    WHERE NOT EXISTS (
        SELECT FROM line WHERE line.document_id = thing.document_id AND line.sku_id = thing.sku_id
                           AND line.lot_id = thing.lot_id)
    GROUP BY document_id, sku_id
), joined AS (
    SELECT coalesce(line.document_id, unlotted.document_id) AS document_id, line_no,
           coalesce(line.sku_id, unlotted.sku_id) AS sku_id, line.lot_id, coalesce(expected, 0) AS expected,
           coalesce(line.gone, 0) + coalesce(thing.gone, unlotted.gone, 0) AS gone,
           coalesce(line.come, 0) + coalesce(thing.come, unlotted.come, 0) AS come, coalesce(damaged, 0) AS damaged
    FROM line
    LEFT JOIN thing ON thing.document_id = line.document_id AND thing.sku_id = line.sku_id AND thing.lot_id = line.lot_id
    FULL JOIN unlotted
        ON unlotted.document_id = line.document_id AND unlotted.sku_id = line.sku_id AND line.lot_id IS NULL
)
SELECT document_id, line_no, sku_id, lot_id, sku.code AS sku, lot.code AS lot, expected, gone, come, damaged, (
    SELECT coalesce(sum(units), 0)::bigint FROM document_surplus AS s
    WHERE s.document_id = joined.document_id AND s.sku_id = joined.sku_id AND s.lot_id IS NOT DISTINCT FROM joined.lot_id
) AS accepted
FROM joined JOIN sku USING (sku_id) LEFT JOIN lot USING (sku_id, lot_id)
ORDER BY document_id, line_no NULLS LAST, sku.code

-- name: lock_documents
-- Documents as they are once they are locked, in lock order.
SELECT document_id, code, kind, status FROM document WHERE document_id = ANY ($1::bigint[]) ORDER BY document_id FOR NO KEY UPDATE

-- name: hold_surplus
-- One transaction at a time looks at what came of documents and says what of it is too much, until it ends. A lock for
-- each of 256 slots: an announcement may bring thousands of documents, and the database has room for so many locks alone.
SELECT pg_advisory_xact_lock(7265104, slot)
FROM (SELECT DISTINCT (document_id % 256)::int AS slot FROM unnest($1::bigint[]) AS d (document_id) ORDER BY slot) AS slots

-- name: arrival_sites
-- Documents, and the sites that their goods come to.
SELECT document_id, code, coalesce(to_site_id, site_id) AS site_id FROM document WHERE document_id = ANY ($1::bigint[])

-- name: accept_surplus
-- What came of a document beyond what it expected is accepted, by parallel arrays of SKU, lot and units.
INSERT INTO document_surplus (document_id, sku_id, lot_id, units, reason, actor, accepted_at)
SELECT $1, s.*, $5, $6, $7 FROM unnest($2::int[], $3::int[], $4::bigint[]) AS s

-- name: document_things
-- The things of a document: which were announced, which left, which came.
SELECT upper(encode(item.epc, 'hex')) AS epc, item.identity, sku.code AS sku, document_item.expected, gone_at, come_at
FROM document_item JOIN item USING (item_id) LEFT JOIN sku ON sku.sku_id = item.sku_id
WHERE document_id = $1 ORDER BY item_id LIMIT $2

-- name: list_documents
-- Documents, newest first, below the one given.
SELECT document_id, document.code, kind, site.code AS site, to_site.code AS to_site, sales_order.code AS "order", party,
       document.status, promised_at, left_at, made_at, document.changed_at, document.revision
FROM document JOIN site ON site.site_id = document.site_id
LEFT JOIN site AS to_site ON to_site.site_id = document.to_site_id
LEFT JOIN sales_order USING (order_id)
WHERE ($1::bigint IS NULL OR document_id < $1) AND ($2::text IS NULL OR kind = $2)
  AND ($3::text IS NULL OR document.status = $3) AND ($4::text IS NULL OR site.code = $4 OR to_site.code = $4)
ORDER BY document_id DESC LIMIT $5

-- name: late_transfers
-- Transfers in transit whose time is over.
SELECT code, to_site_id AS site_id, promised_at FROM document
WHERE kind = 'transfer' AND status = 'in_transit' AND promised_at < $1

-- name: lane_days
-- How long goods take from a site to the region of another.
SELECT days FROM lane JOIN site AS target ON target.site_id = $2 AND lane.region = target.region WHERE lane.site_id = $1

-- name: list_departures
-- Things that left without a document and are not settled, newest first.
SELECT departure.gateway, departure.epoch, departure.seq, upper(encode(item.epc, 'hex')) AS epc, item.identity,
       sku.code AS sku, item.quantity, site.code AS site, portal.code AS portal, departure.observed_at
FROM departure JOIN item USING (item_id) JOIN portal USING (portal_id) JOIN site USING (site_id)
LEFT JOIN sku ON sku.sku_id = item.sku_id
WHERE settled_at IS NULL AND ($1::text IS NULL OR site.code = $1) AND ($2::text IS NULL OR portal.code = $2)
  AND ($3::timestamptz IS NULL
       OR (departure.observed_at, departure.gateway, departure.epoch, departure.seq) < ($3, $4::text, $5::text, $6::bigint))
ORDER BY departure.observed_at DESC, departure.gateway DESC, departure.epoch DESC, departure.seq DESC LIMIT $7

-- name: departures_to_settle
-- Unsettled departures of a door within a span of time, of these things alone (null: of any).
SELECT departure.gateway, departure.epoch, departure.seq, departure.item_id, departure.observed_at
FROM departure JOIN portal USING (portal_id) JOIN site USING (site_id)
WHERE settled_at IS NULL AND site.code = $1 AND portal.code = $2 AND departure.observed_at BETWEEN $3 AND $4
  AND ($5::bigint[] IS NULL OR item_id = ANY ($5))
ORDER BY item_id, departure.observed_at

-- name: settle_departures
-- Departures that a person has explained, by parallel arrays.
UPDATE departure SET settled_at = $4, document_id = $5, reason = $6
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS d (gateway, epoch, seq)
WHERE (departure.gateway, departure.epoch, departure.seq) = (d.gateway, d.epoch, d.seq)

-- name: open_departures
-- How many departures of doors wait to be settled.
SELECT portal_id, portal.code AS portal, portal.site_id, count(*) AS things
FROM departure JOIN portal USING (portal_id)
WHERE settled_at IS NULL AND portal_id = ANY ($1::int[])
GROUP BY portal_id, portal.code, portal.site_id

-- name: named_documents
-- Documents that scans name by their codes.
SELECT document_id, code, kind, status, site_id, to_site_id FROM document WHERE code = ANY ($1::text[])

-- name: count_units
-- Units without serial numbers that left, came, or came damaged under documents, by parallel arrays: on the line of
-- their lot, else on the first line of their SKU.
WITH counted AS (
    SELECT document_id, sku_id, lot_id, sum(gone)::bigint AS gone, sum(come)::bigint AS come, sum(damaged)::bigint AS damaged
    FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS c (document_id, sku_id, lot_id, gone, come, damaged)
    GROUP BY document_id, sku_id, lot_id
), placed AS (
    SELECT counted.*, (
        SELECT line_id FROM document_line
        WHERE document_line.document_id = counted.document_id AND document_line.sku_id = counted.sku_id
        ORDER BY document_line.lot_id IS DISTINCT FROM counted.lot_id, document_line.lot_id IS NOT NULL, line_no LIMIT 1
    ) AS line_id FROM counted
), merged AS (
    SELECT line_id, sum(gone)::bigint AS gone, sum(come)::bigint AS come, sum(damaged)::bigint AS damaged
    FROM placed WHERE line_id IS NOT NULL GROUP BY line_id
), changed AS (
    UPDATE document_line SET gone = document_line.gone + merged.gone, come = document_line.come + merged.come,
        damaged = document_line.damaged + merged.damaged
    FROM merged WHERE document_line.line_id = merged.line_id
)
INSERT INTO document_line (document_id, line_no, sku_id, lot_id, expected, gone, come, damaged)
SELECT document_id, row_number() OVER (PARTITION BY document_id ORDER BY sku_id, lot_id)
       + (SELECT coalesce(max(line_no), 0) FROM document_line WHERE document_line.document_id = placed.document_id),
       sku_id, lot_id, 0, gone, come, damaged
FROM placed WHERE line_id IS NULL
