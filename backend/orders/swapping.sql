-- name: promised
-- What orders were promised at a site and hold or have shipped, and how much of it was not picked yet.
SELECT allocation_id, order_id, line_id, availability.sku_id, availability.lot_id, lot.code AS lot, lot.expires_on,
       least_days, held, greatest(held + fulfilled - allocation.picked, 0) AS open
FROM order_line JOIN allocation ON holder_kind = 'order' AND holder_id = line_id
JOIN availability USING (availability_id) JOIN lot USING (lot_id)
WHERE order_id = ANY ($1::bigint[]) AND availability.site_id = $2 AND held + fulfilled > 0
ORDER BY allocation_id

-- name: shelves
-- What a site holds of SKUs, sellable, by lot, and how much of it was promised to nobody.
SELECT sku_id, lot_id, lot.code AS lot, lot.expires_on, lot.status, greatest(on_hand - reserved, 0) AS free
FROM availability JOIN lot USING (sku_id, lot_id)
WHERE site_id = $1 AND sku_id = ANY ($2::int[]) AND condition = 'sellable'

-- name: lock_swap
-- The availabilities of a site's goods, by parallel arrays of SKU and lot, and those of allocations, locked in lock
-- order; and how many units of each were promised to nobody.
SELECT availability_id, sku_id, lot_id, greatest(on_hand - reserved, 0) AS free
FROM availability
WHERE (site_id = $1 AND condition = 'sellable'
       AND (sku_id, lot_id) IN (SELECT * FROM unnest($2::int[], $3::int[]) AS g (sku_id, lot_id)))
   OR availability_id IN (SELECT availability_id FROM allocation WHERE allocation_id = ANY ($4::bigint[]))
ORDER BY site_id, sku_id, lot_id, condition FOR NO KEY UPDATE

-- name: held
-- What allocations hold.
SELECT allocation_id, held FROM allocation WHERE allocation_id = ANY ($1::bigint[])

-- name: goods_of_thing
-- What a thing is.
SELECT sku_id, lot_id, quantity FROM item WHERE item_id = $1 AND sku_id IS NOT NULL

-- name: unpick
-- Units of an order (its code, SKU, lot) that are to be picked again: of the promises of the lot first, the newest first,
-- and of the line that had most.
WITH line AS (
    SELECT line_id, order_line.picked FROM order_line JOIN sales_order USING (order_id)
    WHERE sales_order.code = $1 AND sku_id = $2::int
), told AS (
    SELECT allocation_id, allocation.picked, sum(allocation.picked) OVER (
        ORDER BY availability.lot_id <> $3::int, allocation_id DESC) - allocation.picked AS before
    FROM line JOIN allocation ON holder_kind = 'order' AND holder_id = line_id JOIN availability USING (availability_id)
), again AS (
    UPDATE allocation SET picked = allocation.picked - least(told.picked, $4::bigint - before) FROM told
    WHERE allocation.allocation_id = told.allocation_id AND before < $4
)
UPDATE order_line SET picked = greatest(picked - $4, 0)
WHERE line_id = (SELECT line_id FROM line ORDER BY picked DESC, line_id LIMIT 1)

-- name: count_picked
-- Units picked, by parallel arrays of allocation and units.
UPDATE allocation SET picked = picked + units FROM unnest($1::bigint[], $2::bigint[]) AS p (allocation_id, units)
WHERE allocation.allocation_id = p.allocation_id
