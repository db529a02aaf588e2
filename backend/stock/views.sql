-- name: stock_rows
-- Units by the columns asked for, behind the row given; real zones alone unless virtual ones are wanted. At a past
-- instant: the net now, without what was observed after it. What is asked stands in a table of one row, and the SKU is
-- a range of all or one: so one plan serves every question and is kept, where planning took five times as long as running.
WITH asked AS MATERIALIZED (
    SELECT $2::text AS site, $3::text AS zone, $4::text AS sku, $5::text AS lot, $6::text AS condition,
           $7::boolean AS virtual, $8::timestamptz AS as_of, $10::text IS NULL AS from_start,
           CASE WHEN $4 IS NULL THEN 0 ELSE coalesce((SELECT sku_id FROM sku WHERE code = $4), 0) END AS from_sku_id,
           CASE WHEN $4 IS NULL THEN 2147483647
                ELSE coalesce((SELECT sku_id FROM sku WHERE code = $4), 0) END AS to_sku_id
)
SELECT site, zone, sku, lot, condition, expires_on, sum(net)::bigint AS units
FROM (
    SELECT CASE WHEN 'site' = ANY ($1::text[]) THEN site.code END AS site,
           CASE WHEN 'zone' = ANY ($1) THEN zone.code END AS zone,
           CASE WHEN 'sku' = ANY ($1) THEN sku.code END AS sku,
           CASE WHEN 'lot' = ANY ($1) THEN lot.code END AS lot,
           CASE WHEN 'condition' = ANY ($1) THEN balance.condition END AS condition,
           CASE WHEN $1 @> ARRAY['sku', 'lot'] THEN lot.expires_on END AS expires_on,
           balance.net - CASE WHEN (SELECT as_of FROM asked) IS NULL THEN 0 ELSE
               coalesce((SELECT sum(quantity) FROM posting
                         WHERE to_balance_id = balance.balance_id AND observed_at > (SELECT as_of FROM asked)), 0)
               - coalesce((SELECT sum(quantity) FROM posting
                           WHERE from_balance_id = balance.balance_id AND observed_at > (SELECT as_of FROM asked)), 0)
           END AS net
    FROM balance
    JOIN site USING (site_id)
    JOIN zone USING (zone_id)
    JOIN sku USING (sku_id)
    JOIN lot USING (lot_id)
    WHERE ((SELECT asked.site FROM asked) IS NULL OR site.code = (SELECT asked.site FROM asked))
      AND ((SELECT asked.zone FROM asked) IS NULL OR zone.code = (SELECT asked.zone FROM asked))
      AND balance.sku_id BETWEEN (SELECT from_sku_id FROM asked) AND (SELECT to_sku_id FROM asked)
      AND ((SELECT asked.lot FROM asked) IS NULL OR lot.code = (SELECT asked.lot FROM asked))
      AND ((SELECT asked.condition FROM asked) IS NULL OR balance.condition = (SELECT asked.condition FROM asked))
      AND ((SELECT virtual FROM asked) OR zone.kind <> ALL ($9::text[]))
) AS counted
GROUP BY site, zone, sku, lot, condition, expires_on
HAVING sum(net) <> 0
   AND ((SELECT from_start FROM asked)
        OR (coalesce(site, ''), coalesce(zone, ''), coalesce(sku, ''), coalesce(lot, ''), coalesce(condition, ''))
           > ($10, $11::text, $12::text, $13::text, $14::text))
ORDER BY coalesce(site, ''), coalesce(zone, ''), coalesce(sku, ''), coalesce(lot, ''), coalesce(condition, '')
LIMIT $15

-- name: item_by_epc
-- One thing: what it is, where it is, and since when.
SELECT item.epc, item.identity, item.kind, sku.code AS sku, sku.name AS sku_name, lot.code AS lot, lot.expires_on, item.quantity,
       item.condition,
       coalesce(upper(encode(parent.epc, 'hex')), parent.identity) AS parent, item.document,
       site.code AS site, zone.code AS zone,
       item.observed_at, item.gateway, item.left_at, item.present
FROM item
JOIN zone USING (zone_id)
JOIN site ON site.site_id = zone.site_id
LEFT JOIN sku ON sku.sku_id = item.sku_id
LEFT JOIN lot ON lot.lot_id = item.lot_id
LEFT JOIN item AS parent ON parent.item_id = item.parent_id
WHERE item.epc = $1

-- name: item_history
-- What was seen of one thing and what it changed, newest first, below the entry given.
WITH thing AS (
    SELECT item_id FROM item WHERE epc = $1
), entry AS (
    SELECT 'movement' AS entry, format('%s/%s/%s', m.gateway, m.epoch, m.seq) AS id, m.observed_at, m.recorded_at,
           m.kind AS what, site.code AS site, zone.code AS zone, portal.code AS portal, m.direction,
           NULL::text AS from_zone, NULL::text AS to_zone, NULL::bigint AS quantity, NULL::text AS document,
           m.gateway AS actor, m.confidence
    FROM movement AS m
    JOIN site ON site.site_id = m.site_id
    LEFT JOIN zone ON zone.zone_id = m.zone_id
    LEFT JOIN portal ON portal.portal_id = m.portal_id
    WHERE m.item_id = (SELECT item_id FROM thing)
    UNION ALL
    SELECT 'posting', p.posting_id::text, p.observed_at, p.recorded_at,
           p.reason, site.code, NULL, NULL, NULL,
           format('%s/%s', from_site.code, from_zone.code), format('%s/%s', site.code, to_zone.code),
           p.quantity, p.document, p.actor, NULL
    FROM posting AS p
    JOIN balance AS taken ON taken.balance_id = p.from_balance_id
    JOIN balance AS given ON given.balance_id = p.to_balance_id
    JOIN site AS from_site ON from_site.site_id = taken.site_id
    JOIN zone AS from_zone ON from_zone.zone_id = taken.zone_id
    JOIN site ON site.site_id = given.site_id
    JOIN zone AS to_zone ON to_zone.zone_id = given.zone_id
    WHERE p.item_id = (SELECT item_id FROM thing)
)
SELECT * FROM entry
WHERE $2::timestamptz IS NULL
   OR (observed_at, recorded_at, entry, id COLLATE "C") < ($2, $3::timestamptz, $4::text, $5::text)
ORDER BY observed_at DESC, recorded_at DESC, entry DESC, id COLLATE "C" DESC
LIMIT $6

-- name: recent_movements
-- Movements, newest first as they came in, below the one given.
SELECT m.recorded_at, m.observed_at, m.decided_at, m.gateway, m.epoch, m.seq, m.kind, item.epc, sku.code AS sku,
       site.code AS site, zone.code AS zone, m.from_zone, portal.code AS portal, m.direction,
       m.confidence
FROM movement AS m
JOIN item USING (item_id)
JOIN site ON site.site_id = m.site_id
LEFT JOIN sku ON sku.sku_id = item.sku_id
LEFT JOIN zone ON zone.zone_id = m.zone_id
LEFT JOIN portal ON portal.portal_id = m.portal_id
WHERE ($1::timestamptz IS NULL OR (m.recorded_at, m.gateway, m.epoch, m.seq) < ($1, $2::text, $3::text, $4::bigint))
  AND ($5::text IS NULL OR site.code = $5)
  AND ($6::text IS NULL OR m.kind = $6)
  AND ($7::text IS NULL OR sku.code = $7)
ORDER BY m.recorded_at DESC, m.gateway DESC, m.epoch DESC, m.seq DESC
LIMIT $8

-- name: stock_card
-- What changed a SKU's stock at a site (of one zone or lot, if asked), newest first, below the entry given, each with
-- how many units there were after it. Without a zone, moves inside the site are left out.
WITH entry AS (
    SELECT posting.observed_at, posting_id, recorded_at, reason, document, actor, role, gateway, epoch, seq, item_id, reverses_id,
           concat_ws('/', from_site.code, from_zone.code) AS from_place, concat_ws('/', to_site.code, to_zone.code) AS to_place,
           coalesce(given_lot.code, taken_lot.code) AS lot, taken.condition AS from_condition, given.condition AS to_condition,
           quantity * (to_here.here::int - from_here.here::int) AS delta
    FROM posting
    JOIN balance AS taken ON taken.balance_id = from_balance_id
    JOIN balance AS given ON given.balance_id = to_balance_id
    JOIN zone AS from_zone ON from_zone.zone_id = taken.zone_id
    JOIN zone AS to_zone ON to_zone.zone_id = given.zone_id
    JOIN site AS from_site ON from_site.site_id = from_zone.site_id
    JOIN site AS to_site ON to_site.site_id = to_zone.site_id
    JOIN lot AS taken_lot ON taken_lot.lot_id = taken.lot_id
    JOIN lot AS given_lot ON given_lot.lot_id = given.lot_id
    CROSS JOIN LATERAL (SELECT from_site.code = $2 AND from_zone.kind <> ALL ($5::text[])
        AND ($3::text IS NULL OR from_zone.code = $3) AND ($4::text IS NULL OR taken_lot.code = $4)) AS from_here (here)
    CROSS JOIN LATERAL (SELECT to_site.code = $2 AND to_zone.kind <> ALL ($5)
        AND ($3 IS NULL OR to_zone.code = $3) AND ($4 IS NULL OR given_lot.code = $4)) AS to_here (here)
    WHERE taken.sku_id = (SELECT sku_id FROM sku WHERE code = $1)
      AND (from_here.here OR to_here.here)
      AND (from_here.here <> to_here.here OR taken.condition <> given.condition)
), counted AS (
    SELECT *, sum(delta) OVER (ORDER BY observed_at, posting_id)::bigint AS units FROM entry
), shown AS MATERIALIZED (
    SELECT * FROM counted
    WHERE $6::timestamptz IS NULL OR (observed_at, posting_id) < ($6, $7::bigint)
    ORDER BY observed_at DESC, posting_id DESC LIMIT $8
)
SELECT shown.*, photo
FROM shown LEFT JOIN scan ON (scan.gateway, scan.epoch, scan.seq) = (shown.gateway, shown.epoch, shown.seq)
ORDER BY shown.observed_at DESC, posting_id DESC
