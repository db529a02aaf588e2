-- name: head
-- A count by its code.
SELECT count_id, stock_count.code, site.code AS site, subject, blind, status,
       (SELECT array_agg(zone.code ORDER BY zone.code) FROM zone WHERE zone_id = ANY (zone_ids)) AS zones,
       (SELECT array_agg(sku.code ORDER BY sku.code) FROM sku WHERE sku_id = ANY (sku_ids)) AS skus,
       (SELECT max(round) FROM count_round WHERE count_round.count_id = stock_count.count_id) AS round,
       tolerance_units, tolerance_value, made_at, changed_at, actor, approved_at, approved_by, revision,
       zone_ids, sku_ids
FROM stock_count JOIN site USING (site_id) WHERE stock_count.code = $1

-- name: list_counts
-- Counts, newest first, below the one given.
SELECT count_id, stock_count.code, site.code AS site, subject, blind, status,
       (SELECT array_agg(zone.code ORDER BY zone.code) FROM zone WHERE zone_id = ANY (zone_ids)) AS zones,
       made_at, changed_at
FROM stock_count JOIN site USING (site_id)
WHERE ($1::bigint IS NULL OR count_id < $1) AND ($2::text IS NULL OR site.code = $2)
  AND ($3::text IS NULL OR status = $3)
ORDER BY count_id DESC LIMIT $4

-- name: passes
-- Who counted which zones, when, the last first.
SELECT zone.code AS zone, subject, started_at, ended_at, operator, actor
FROM count_pass JOIN zone USING (zone_id) WHERE count_id = $1 ORDER BY pass_id DESC LIMIT $2

-- name: lines
-- What was expected and counted.
SELECT zone.code AS zone, sku.code AS sku, lot.code AS lot, condition, subject, expected_least, expected_most, counted,
       difference, difference * sku.value AS value
FROM count_line JOIN zone USING (zone_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id)
WHERE count_id = $1 ORDER BY difference = 0, zone.code, sku.code, lot.code, condition, subject LIMIT $2

-- name: things
-- Things that are not where the ledger had them.
SELECT upper(encode(item.epc, 'hex')) AS epc, item.identity, sku.code AS sku, finding, zone.code AS zone,
       concat_ws('/', from_site.code, from_zone.code) AS from_place, at
FROM count_thing JOIN item USING (item_id) LEFT JOIN sku ON sku.sku_id = item.sku_id
JOIN zone ON zone.zone_id = count_thing.zone_id
LEFT JOIN zone AS from_zone ON from_zone.zone_id = from_zone_id
LEFT JOIN site AS from_site ON from_site.site_id = from_zone.site_id
WHERE count_id = $1 ORDER BY finding, zone.code, item_id LIMIT $2

-- name: unread
-- Tags that a count found and that name nothing that is counted.
SELECT DISTINCT upper(encode(epc, 'hex')) AS epc, reason FROM count_read
WHERE count_id = $1 AND item_id IS NULL ORDER BY epc LIMIT $2

-- name: expected
-- What the ledger has in a count's zones now.
SELECT zone.code AS zone, sku.code AS sku, lot.code AS lot, condition, net AS units
FROM balance JOIN zone USING (zone_id) JOIN sku USING (sku_id) JOIN lot USING (sku_id, lot_id)
WHERE balance.site_id = (SELECT min(site_id) FROM zone WHERE zone_id = ANY ($1::int[])) AND zone_id = ANY ($1)
  AND ($2::int[] IS NULL OR sku_id = ANY ($2)) AND net <> 0
ORDER BY zone.code, sku.code, lot.code, condition LIMIT $3

-- name: accuracy
-- How well the ledger agreed with what was counted since an instant, by site, zone, SKU or class, behind a name.
SELECT name, count(*) AS lines, count(*) FILTER (WHERE difference = 0) AS agreed,
       sum(counted - difference)::bigint AS expected_units, sum(abs(difference))::bigint AS different_units,
       coalesce(sum((counted - difference) * unit_value), 0) AS expected_value,
       coalesce(sum(abs(difference) * unit_value), 0) AS different_value
FROM (
    SELECT count_line.*, sku.value AS unit_value, CASE $1::text
        WHEN 'site' THEN site.code WHEN 'zone' THEN site.code || '/' || zone.code WHEN 'sku' THEN sku.code
        ELSE coalesce(sku.abc_class, 'C') END AS name
    FROM count_line JOIN stock_count USING (count_id) JOIN site USING (site_id)
    JOIN zone USING (zone_id) JOIN sku USING (sku_id)
    WHERE status = 'approved' AND ($2::timestamptz IS NULL OR approved_at >= $2)
      AND ($3::text IS NULL OR site.code = $3)
) AS line
WHERE name > $4 GROUP BY name ORDER BY name LIMIT $5

-- name: offenders
-- SKUs in zones whose last counts found a difference so many times, behind the one given.
SELECT site.code AS site, zone.code AS zone, sku.code AS sku, counts, variances, units
FROM (
    SELECT zone_id, sku_id, count(*)::int AS counts, count(*) FILTER (WHERE units <> 0)::int AS variances,
           sum(units)::bigint AS units
    FROM (
        SELECT zone_id, sku_id, sum(abs(difference)) AS units,
               row_number() OVER (PARTITION BY zone_id, sku_id ORDER BY approved_at DESC, count_id DESC) AS place
        FROM count_line JOIN stock_count USING (count_id)
        WHERE status = 'approved' GROUP BY zone_id, sku_id, count_id, approved_at
    ) AS counted WHERE place <= $1 GROUP BY zone_id, sku_id
) AS record JOIN zone USING (zone_id) JOIN site USING (site_id) JOIN sku USING (sku_id)
WHERE variances >= $2 AND ($3::text IS NULL OR site.code = $3) AND (site.code, zone.code, sku.code) > ($4, $5, $6)
ORDER BY site.code, zone.code, sku.code LIMIT $7
