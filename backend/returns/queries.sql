-- name: things
-- Things by their EPCs.
SELECT epc, item_id FROM item WHERE epc = ANY ($1::bytea[])

-- name: lots_of
-- Lots by parallel arrays of the codes of SKU and lot.
SELECT sku.code AS sku, lot.code AS lot, sku_id, lot_id
FROM unnest($1::text[], $2::text[]) AS n (sku, lot)
JOIN sku ON sku.code = n.sku JOIN lot USING (sku_id) WHERE lot.code = n.lot

-- name: add_inspections
-- What a person decided, by parallel arrays; numbers follow their order.
INSERT INTO inspection (inspected_at, actor, site_id, sku_id, lot_id, item_id, quantity, condition, disposition, reason, photo)
SELECT $1, $2, site_id, sku_id, lot_id, item_id, quantity, condition, disposition, reason, photo
FROM unnest($3::int[], $4::int[], $5::int[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[])
    WITH ORDINALITY AS i (site_id, sku_id, lot_id, item_id, quantity, condition, disposition, reason, photo, place)
ORDER BY place
RETURNING inspection_id

-- name: list_inspections
-- Inspections, newest first, below the one given; a damage scan's with its name, and whether it was reversed.
SELECT inspection_id, inspected_at, site.code AS site, sku.code AS sku, lot.code AS lot,
       upper(encode(item.epc, 'hex')) AS epc, inspection.quantity, inspection.condition, disposition, inspection.reason,
       inspection.photo, inspection.actor, scan.device || '/' || scan.scan_id AS scan,
       EXISTS (SELECT FROM reversal AS r
               WHERE (r.gateway, r.epoch, r.seq) = (inspection.gateway, inspection.epoch, inspection.seq)) AS reversed
FROM inspection JOIN site USING (site_id) JOIN sku ON sku.sku_id = inspection.sku_id
JOIN lot ON lot.lot_id = inspection.lot_id
LEFT JOIN item ON item.item_id = inspection.item_id
LEFT JOIN scan ON (scan.gateway, scan.epoch, scan.seq) = (inspection.gateway, inspection.epoch, inspection.seq)
WHERE ($1::bigint IS NULL OR inspection_id < $1) AND ($2::text IS NULL OR site.code = $2)
ORDER BY inspection_id DESC LIMIT $3

-- name: time_limit
-- How many hours a site may leave returned goods.
SELECT inspect_within_h AS within_h FROM site WHERE code = $1

-- name: put_time_limit
-- The same from now on; nothing for an unknown site.
UPDATE site SET inspect_within_h = $2 WHERE code = $1 RETURNING inspect_within_h AS within_h

-- name: overdue
-- Returned goods that nobody has looked at in the time that their site allows: how many units, and since when.
SELECT site.site_id, site.code AS site, sum(waiting.units)::bigint AS units, min(waiting.since) AS since
FROM (
    SELECT zone.site_id, item.quantity::bigint AS units, coalesce(
        (SELECT min(observed_at) FROM posting JOIN balance ON balance_id = to_balance_id
         WHERE item_id = item.item_id AND balance.condition = 'returned' AND observed_at >= coalesce(
            (SELECT max(inspected_at) FROM inspection WHERE inspection.item_id = item.item_id), '-infinity')),
        item.observed_at) AS since
    FROM item JOIN zone USING (zone_id)
    WHERE item.condition = 'returned' AND item.sku_id IS NOT NULL AND zone.kind <> ALL ($2::text[])
    UNION ALL
    SELECT balance.site_id, net, (SELECT max(observed_at) FROM posting WHERE to_balance_id = balance_id AND item_id IS NULL)
    FROM balance JOIN zone USING (zone_id)
    WHERE balance.condition = 'returned' AND net > 0 AND zone.kind <> ALL ($2)
      AND EXISTS (SELECT FROM posting WHERE to_balance_id = balance_id AND item_id IS NULL)
) AS waiting JOIN site USING (site_id)
WHERE waiting.since < $1::timestamptz - make_interval(hours => inspect_within_h)
GROUP BY site.site_id, site.code

-- name: standing_overdue
-- Alerts that stand for returned goods.
SELECT key FROM alert WHERE kind = 'inspection_overdue' AND cleared_at IS NULL

-- name: tell
-- The notification of a transaction that changed stock.
SELECT pg_notify('tallyman_outbox', '')
