-- name: horizon
-- The oldest transaction that may still write: the outbox before it is complete.
SELECT pg_snapshot_xmin(pg_current_snapshot())

-- name: outbox_behind
-- Outbox rows behind a place, in order, of transactions before which nothing can appear any more.
SELECT xid, outbox_id, kind, payload
FROM outbox
WHERE (xid, outbox_id) > ($1::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, outbox_id
LIMIT $3

-- name: trim_outbox
-- Delete the oldest rows, of at most so many those recorded before an instant, and note how far; answers their number.
WITH oldest AS (
    SELECT outbox_id, recorded_at FROM outbox ORDER BY outbox_id LIMIT $2
), gone AS (
    DELETE FROM outbox USING oldest
    WHERE outbox.outbox_id = oldest.outbox_id AND oldest.recorded_at < $1
    RETURNING xid, outbox.outbox_id
), noted AS (
    UPDATE store SET trimmed_xid = xid, trimmed_id = outbox_id
    FROM (SELECT xid, outbox_id FROM gone ORDER BY xid DESC, outbox_id DESC LIMIT 1) AS newest
    WHERE (xid, outbox_id) > (trimmed_xid, trimmed_id)
)
SELECT count(*) FROM gone

-- name: outbox_trimmed
-- The last row that was trimmed, in the order in which rows are read.
SELECT trimmed_xid, trimmed_id FROM store

-- name: all_stock
-- Units by site, zone and SKU, of the zones that the page shows.
SELECT site.code AS site, zone.code AS zone, sku.code AS sku, sum(net)::bigint AS net
FROM balance
JOIN site USING (site_id)
JOIN zone USING (zone_id)
JOIN sku USING (sku_id)
WHERE zone.kind <> ALL ($1::text[])
GROUP BY site.code, zone.code, sku.code
HAVING sum(net) <> 0
ORDER BY site.code, zone.code, sku.code

-- name: stock_at
-- Units now where these balances are, zero where there are none any more, of the zones that the page shows.
SELECT site.code AS site, zone.code AS zone, sku.code AS sku, sum(balance.net)::bigint AS net
FROM (SELECT DISTINCT site_id, zone_id, sku_id FROM balance WHERE balance_id = ANY ($1::bigint[])) AS touched
JOIN balance USING (site_id, zone_id, sku_id)
JOIN site USING (site_id)
JOIN zone USING (zone_id)
JOIN sku ON sku.sku_id = touched.sku_id
WHERE zone.kind <> ALL ($2::text[])
GROUP BY site.code, zone.code, sku.code

-- name: offer_terms
-- What decides what may be promised beyond stock and promises: what counts the rules, and the day at each site.
SELECT catalog_revision, ARRAY (SELECT day_at($1, time_zone) FROM site ORDER BY site_id) AS days FROM store

-- name: sites_and_zones
-- The house as the page lays it out, of the zones that the page shows.
SELECT site.code, site.name,
       coalesce(jsonb_agg(jsonb_build_object('code', zone.code, 'name', zone.name, 'kind', zone.kind)
                          ORDER BY zone.zone_id) FILTER (WHERE zone.kind <> ALL ($1::text[])), '[]') AS zones
FROM site
LEFT JOIN zone USING (site_id)
GROUP BY site.site_id
ORDER BY site.site_id

-- name: standing_alerts
-- What a person should know now, newest first.
SELECT alert_id, alert.kind, key, site.code AS site, detail, raised_at
FROM alert
LEFT JOIN site USING (site_id)
WHERE cleared_at IS NULL
ORDER BY alert_id DESC
LIMIT $1
