-- name: needs
-- What the lines of an order were promised and nobody has picked yet. What left is taken to be what was picked, as far as
-- that goes; what left without a pick is not to be picked any more.
SELECT order_line.line_no, availability.site_id, site.code AS site, availability.sku_id, sku.code AS sku,
       availability.lot_id, lot.code AS lot, lot.expires_on, sum(least(held, held + fulfilled - allocation.picked))::bigint AS units
FROM order_line
JOIN allocation ON holder_kind = 'order' AND holder_id = order_line.line_id
JOIN availability USING (availability_id) JOIN site USING (site_id)
JOIN sku ON sku.sku_id = availability.sku_id JOIN lot ON lot.lot_id = availability.lot_id
WHERE order_line.order_id = $1 AND held > 0 AND held + fulfilled > allocation.picked
GROUP BY order_line.line_no, availability.site_id, site.code, availability.sku_id, sku.code, availability.lot_id,
         lot.code, lot.expires_on
ORDER BY order_line.line_no, lot.expires_on, availability.lot_id

-- name: places
-- What zones of sites hold of lots, sellable: by parallel arrays of site and lot.
SELECT balance.site_id, balance.sku_id, balance.lot_id, zone.zone_id, zone.code AS zone, zone.kind, net AS units
FROM (SELECT DISTINCT * FROM unnest($1::int[], $2::int[]) AS w (site_id, lot_id)) AS wanted
JOIN balance USING (site_id, lot_id) JOIN zone USING (zone_id)
WHERE condition = 'sellable' AND net > 0 AND zone.kind = ANY ($3::text[])

-- name: things
-- Things of lots in zones, sellable, what stands longest first.
SELECT zone_id, lot_id, epc, identity, quantity AS units FROM item
WHERE sku_id = ANY ($1::int[]) AND lot_id = ANY ($2::int[]) AND zone_id = ANY ($3::int[]) AND condition = 'sellable'
ORDER BY observed_at, item_id LIMIT $4
