-- name: put_channel
-- Define a channel, or change what is said of it.
INSERT INTO channel (code, name, kind, priority, open) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, kind = excluded.kind, priority = excluded.priority,
    open = excluded.open, revision = channel.revision + 1
RETURNING channel_id

-- name: lock_channel
-- A channel, locked until its rules are changed; orders are made meanwhile.
SELECT channel_id FROM channel WHERE code = $1 FOR NO KEY UPDATE

-- name: drop_rules
-- Take a channel's rules away; new ones follow.
DELETE FROM channel_rule WHERE channel_id = $1

-- name: put_rules
-- A channel's rules, by parallel arrays of site and SKU codes (null: all) and what they say.
INSERT INTO channel_rule (channel_id, site_id, sku_id, sells, buffer, protected)
SELECT $1, site.site_id, sku.sku_id, sells, buffer, protected
FROM unnest($2::text[], $3::text[], $4::bool[], $5::bigint[], $6::bigint[])
    AS r (site_code, sku_code, sells, buffer, protected)
LEFT JOIN site ON site.code = site_code LEFT JOIN sku ON sku.code = sku_code

-- name: count_rules
-- Say that a channel's rules changed.
UPDATE channel SET revision = revision + 1 WHERE channel_id = $1 RETURNING revision

-- name: known_codes
-- Which of these sites and SKUs exist.
SELECT 'site' AS what, code FROM site WHERE code = ANY ($1::text[])
UNION ALL SELECT 'sku', code FROM sku WHERE code = ANY ($2::text[])

-- name: all_channels
-- Every channel.
SELECT channel_id, code, name, kind, priority, open, revision FROM channel ORDER BY code

-- name: all_rules
-- Every rule of every channel, by numbers.
SELECT channel_id, site_id, sku_id, sells, buffer, protected FROM channel_rule

-- name: channel_rules
-- The rules of one channel, by codes.
SELECT site.code AS site, sku.code AS sku, sells, buffer, protected
FROM channel_rule LEFT JOIN site USING (site_id) LEFT JOIN sku USING (sku_id)
WHERE channel_id = $1 ORDER BY site.code NULLS FIRST, sku.code NULLS FIRST

-- name: shelves_of_sku
-- What the sites hold of a SKU and may sell at an instant: units free by site and lot.
SELECT availability_id, site.site_id, site.code AS site, site.region, lot_id, lot.expires_on, on_hand, reserved
FROM availability JOIN site USING (site_id) JOIN lot USING (lot_id)
WHERE availability.sku_id = $1 AND condition = 'sellable' AND lot.status = 'released'
  AND (lot.expires_on IS NULL OR lot.expires_on >= day_at($2, site.time_zone)) AND ($3::text IS NULL OR site.region = $3)
ORDER BY site.code, lot.expires_on NULLS LAST, lot_id

-- name: free_everywhere
-- What nobody was promised of each SKU at each site that may sell any at an instant.
SELECT site.site_id, site.code AS site, site.region, sku.sku_id, sku.code AS sku,
       sum(greatest(on_hand - reserved, 0))::bigint AS free
FROM availability JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id, sku_id)
WHERE condition = 'sellable' AND lot.status = 'released'
  AND (lot.expires_on IS NULL OR lot.expires_on >= day_at($1, site.time_zone))
GROUP BY site.site_id, sku.sku_id

-- name: free_at
-- The same of these sites and SKUs alone, by parallel arrays of their codes.
SELECT site.site_id, site.code AS site, site.region, sku.sku_id, sku.code AS sku,
       sum(greatest(on_hand - reserved, 0))::bigint AS free
FROM unnest($2::text[], $3::text[]) AS a (site_code, sku_code)
JOIN site ON site.code = site_code JOIN sku ON sku.code = sku_code
JOIN availability USING (site_id, sku_id) JOIN lot USING (lot_id, sku_id)
WHERE condition = 'sellable' AND lot.status = 'released'
  AND (lot.expires_on IS NULL OR lot.expires_on >= day_at($1, site.time_zone))
GROUP BY site.site_id, sku.sku_id

-- name: promised_by_channel
-- Units that the orders of each channel hold, by site and SKU.
SELECT availability.site_id, availability.sku_id, channel_id, sum(held)::bigint AS held
FROM allocation JOIN availability USING (availability_id)
JOIN order_line ON order_line.line_id = allocation.holder_id
JOIN sales_order USING (order_id)
WHERE allocation.held > 0 AND holder_kind = 'order' AND availability.condition = 'sellable'
  AND (availability.site_id, availability.sku_id) IN (SELECT * FROM unnest($1::int[], $2::int[]))
GROUP BY availability.site_id, availability.sku_id, channel_id

-- name: all_lanes
-- What it costs to serve regions from sites, and how long it takes.
SELECT site.code AS site, lane.region, cost, days FROM lane JOIN site USING (site_id) ORDER BY site.code, lane.region

-- name: put_lane
-- What it costs to serve a region from a site, and how long it takes.
INSERT INTO lane (site_id, region, cost, days) SELECT site_id, $2, $3, $4 FROM site WHERE code = $1
ON CONFLICT (site_id, region) DO UPDATE SET cost = excluded.cost, days = excluded.days
RETURNING site_id
