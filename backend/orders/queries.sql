-- name: lock_stand
-- What sites hold of these SKUs and may sell, locked in lock order until the transaction ends; and what day it is there.
SELECT availability_id, availability.site_id, availability.sku_id, lot.expires_on, on_hand - reserved AS free,
       site.code AS site, lot.code AS lot, day_at($2, site.time_zone) AS today
FROM availability JOIN lot USING (lot_id) JOIN site ON site.site_id = availability.site_id
WHERE availability.sku_id = ANY ($1::int[]) AND condition = 'sellable' AND lot.status = 'released'
ORDER BY availability.site_id, availability.sku_id, availability.lot_id, condition FOR NO KEY UPDATE OF availability

-- name: known_orders
-- Orders of these codes that exist, and what was asked for when they were made.
SELECT order_id, code, digest FROM sales_order WHERE code = ANY ($1::text[])

-- name: add_orders
-- New orders by parallel arrays; one whose code was taken meanwhile is left out of the answer.
INSERT INTO sales_order (code, channel_id, region, status, site_ids, backorder, most_sites, expires_at, placed_at,
                         changed_at, actor, digest)
SELECT code, channel_id, region, status, string_to_array(nullif(site_ids, ''), ',')::int[], backorder, most_sites,
       expires_at, $10, $10, actor, digest
FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::int[], $8::timestamptz[],
            $9::text[], $11::bytea[])
    AS o (code, channel_id, region, status, site_ids, backorder, most_sites, expires_at, actor, digest)
ORDER BY code
ON CONFLICT (code) DO NOTHING
RETURNING order_id, code

-- name: add_lines
-- Lines of new orders, by parallel arrays.
INSERT INTO order_line (order_id, line_no, sku_id, quantity, waiting, least_days)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::int[])
RETURNING line_id, order_id, line_no

-- name: lock_order
-- One order, locked: whoever changes its status or its promises holds this.
SELECT order_id, code, status, expires_at FROM sales_order WHERE code = $1 FOR NO KEY UPDATE

-- name: order_allocations
-- What the lines of orders hold, and what fell short of them.
SELECT allocation_id, held FROM allocation
JOIN order_line ON order_line.line_id = allocation.holder_id
WHERE holder_kind = 'order' AND order_line.order_id = ANY ($1::bigint[]) AND (held > 0 OR short > 0)
ORDER BY allocation_id

-- name: end_waiting
-- Orders that ended wait for nothing.
UPDATE order_line SET waiting = 0 WHERE order_id = ANY ($1::bigint[]) AND waiting > 0

-- name: due_reservations
-- Reservations whose time is over, locked; those that somebody is at work on are left for the next round.
SELECT order_id, code FROM sales_order WHERE status = 'reserved' AND expires_at <= $1
ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: lock_orders
-- Orders by number, locked in their order.
SELECT order_id, code, status FROM sales_order WHERE order_id = ANY ($1::bigint[]) ORDER BY order_id FOR NO KEY UPDATE

-- name: note_picked
-- Units picked for orders, by parallel arrays of order, SKU and units: on the lines of the SKU that want most.
WITH picked AS (
    SELECT order_id, sku_id, sum(units)::bigint AS units
    FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS p (order_id, sku_id, units) GROUP BY order_id, sku_id
)
UPDATE order_line SET picked = picked + units
FROM picked
WHERE line_id = (
    SELECT line_id FROM order_line AS line WHERE line.order_id = picked.order_id AND line.sku_id = picked.sku_id
    ORDER BY line.quantity - line.picked DESC, line_no LIMIT 1)

-- name: orders_by_code
-- Orders that scans and shipments name by their codes.
SELECT order_id, code, status FROM sales_order WHERE code = ANY ($1::text[])

-- name: set_statuses
-- The status of orders after an event; a reservation's time limit ends with it.
UPDATE sales_order SET status = $2, changed_at = $3, expires_at = NULL, revision = revision + 1
WHERE order_id = ANY ($1::bigint[])

-- name: unserved_lines
-- Lines of open orders that wait for stock or fell short, the best channel and the oldest order first, behind the one given,
-- locked by order.
SELECT line_id, order_line.order_id, order_line.sku_id, least_days, sales_order.code, status, sales_order.channel_id,
       region, site_ids, most_sites, priority, placed_at
FROM order_line JOIN sales_order USING (order_id) JOIN channel USING (channel_id)
WHERE status IN ('reserved', 'confirmed', 'picking') AND channel.open
  AND line_id IN (SELECT line_id FROM order_line WHERE waiting > 0
                  UNION ALL SELECT holder_id FROM allocation WHERE holder_kind = 'order' AND short > 0)
  AND EXISTS (
    SELECT FROM availability JOIN lot USING (sku_id, lot_id)
    WHERE sku_id = order_line.sku_id AND condition = 'sellable' AND on_hand > reserved AND lot.status = 'released')
  AND ($2::int IS NULL OR (priority, placed_at, line_id) > ($2, $3::timestamptz, $4::bigint))
ORDER BY priority, placed_at, line_id LIMIT $1 FOR NO KEY UPDATE OF sales_order SKIP LOCKED

-- name: lacking_lines
-- Units that lines wait for or fell short of, and the sites that serve their orders already.
SELECT line_id, (waiting + coalesce(
           (SELECT sum(short) FROM allocation WHERE holder_kind = 'order' AND holder_id = line.line_id), 0))::bigint AS units,
       ARRAY (SELECT DISTINCT site_id
              FROM order_line AS other JOIN allocation ON holder_kind = 'order' AND holder_id = other.line_id
              JOIN availability USING (availability_id)
              WHERE other.order_id = line.order_id AND held + fulfilled > 0) AS sites
FROM order_line AS line WHERE line_id = ANY ($1::bigint[])

-- name: serve_waiting
-- Units of lines that wait no longer, by parallel arrays.
UPDATE order_line SET waiting = waiting - units FROM unnest($1::bigint[], $2::bigint[]) AS s (line_id, units)
WHERE order_line.line_id = s.line_id

-- name: short_allocations
-- Allocations of these lines that fell short, oldest first.
SELECT allocation_id, holder_id AS line_id, short FROM allocation
WHERE holder_kind = 'order' AND holder_id = ANY ($1::bigint[]) AND short > 0 ORDER BY allocation_id

-- name: replace_short
-- Units that fell short and were promised anew from elsewhere, by parallel arrays.
UPDATE allocation SET short = short - units, released = released + units
FROM unnest($1::bigint[], $2::bigint[]) AS s (allocation_id, units)
WHERE allocation.allocation_id = s.allocation_id
RETURNING allocation.allocation_id, short

-- name: tell_orders
-- Say that orders changed, by parallel arrays.
INSERT INTO outbox (recorded_at, kind, key, payload)
SELECT $3, 'order', code, jsonb_build_object('order', code, 'status', status)
FROM unnest($1::text[], $2::text[]) AS o (code, status)

-- name: order_head
-- One order.
SELECT order_id, sales_order.code, channel.code AS channel, region, status, expires_at, placed_at, changed_at,
       sales_order.revision
FROM sales_order JOIN channel USING (channel_id) WHERE sales_order.code = $1

-- name: order_lines
-- The lines of an order.
SELECT line_id, line_no, sku.code AS sku, quantity, waiting, picked, least_days
FROM order_line JOIN sku USING (sku_id) WHERE order_id = $1 ORDER BY line_no

-- name: order_promises
-- What the lines of an order were promised, and what became of it.
SELECT holder_id AS line_id, allocation_id, site.code AS site, lot.code AS lot, lot.expires_on, held, fulfilled, released,
       short
FROM allocation JOIN availability USING (availability_id) JOIN site USING (site_id) JOIN lot USING (lot_id)
WHERE holder_kind = 'order' AND holder_id = ANY ($1::bigint[]) ORDER BY allocation_id

-- name: list_orders
-- Orders, newest first, below the one given.
SELECT order_id, sales_order.code, channel.code AS channel, region, status, expires_at, placed_at, changed_at,
       sales_order.revision
FROM sales_order JOIN channel USING (channel_id)
WHERE ($1::bigint IS NULL OR order_id < $1) AND ($2::text IS NULL OR status = $2)
  AND ($3::text IS NULL OR channel.code = $3)
ORDER BY order_id DESC LIMIT $4
