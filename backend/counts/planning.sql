-- name: cells
-- Each SKU in each real zone of a site that holds or owes any and is in no standing count: its class, when it was last
-- counted or first had stock, how many of its last counts found a difference, and what speaks against its record.
WITH cell AS (
    SELECT zone_id, sku_id, array_agg(balance_id) AS balances, bool_or(net < 0) AS owed
    FROM balance JOIN zone USING (zone_id)
    WHERE balance.site_id = $1 AND zone.kind <> ALL ($2::text[])
    GROUP BY zone_id, sku_id HAVING bool_or(net <> 0)
), counted AS (
    SELECT zone_id, sku_id, count_id, approved_at, bool_or(difference <> 0) AS differed,
           row_number() OVER (PARTITION BY zone_id, sku_id ORDER BY approved_at DESC, count_id DESC) AS place
    FROM count_line JOIN stock_count USING (count_id)
    WHERE site_id = $1 AND status = 'approved'
    GROUP BY zone_id, sku_id, count_id, approved_at
), record AS (
    SELECT zone_id, sku_id, max(approved_at) AS last_at, count(*) AS counts, count(*) FILTER (WHERE differed) AS variances
    FROM counted WHERE place <= $3 GROUP BY zone_id, sku_id
), aside AS (
    SELECT coalesce(event ->> 'zone', inside.code) AS zone, count(*) AS events
    FROM quarantine
    LEFT JOIN portal ON portal.site_id = $1 AND portal.code = event ->> 'portal'
    LEFT JOIN zone AS inside ON inside.zone_id = portal.inside_zone_id
    WHERE state = 'open' AND quarantine.site = (SELECT code FROM site WHERE site_id = $1) GROUP BY 1
)
SELECT zone.code AS zone, sku.code AS sku, sku.abc_class AS abc,
       coalesce(last_at, (SELECT min(observed_at) FROM posting WHERE to_balance_id = ANY (balances)),
                (SELECT min(observed_at) FROM posting WHERE from_balance_id = ANY (balances)), $4::timestamptz) AS since,
       last_at IS NOT NULL AS counted, coalesce(counts, 0)::int AS counts, coalesce(variances, 0)::int AS variances,
       owed, coalesce(events, 0)::int AS quarantined
FROM cell JOIN zone USING (zone_id) JOIN sku USING (sku_id)
LEFT JOIN record USING (zone_id, sku_id)
LEFT JOIN aside ON aside.zone = zone.code
WHERE NOT EXISTS (
    SELECT FROM stock_count WHERE stock_count.site_id = $1 AND status IN ('open', 'closed')
      AND cell.zone_id = ANY (zone_ids) AND (sku_ids IS NULL OR cell.sku_id = ANY (sku_ids)))

-- name: planned
-- Which of these codes are counts already.
SELECT code FROM stock_count WHERE code = ANY ($1::text[])
