-- name: change_availability
-- Add deltas to what sites hold and take what is fulfilled off what they promised, by parallel arrays in lock order;
-- promises beyond what is left are cut to it; the outbox is told. Answers the rows that exist, and how many units their
-- holders lose.
WITH change AS MATERIALIZED (
    SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::text[], $5::bigint[], $6::bigint[])
        AS c (site_id, sku_id, lot_id, condition, delta, fulfilled)
), locked AS MATERIALIZED (
    SELECT availability_id, delta, fulfilled, reserved
    FROM change JOIN availability USING (site_id, sku_id, lot_id, condition)
    ORDER BY site_id, sku_id, lot_id, condition FOR NO KEY UPDATE OF availability
), changed AS (
    UPDATE availability SET on_hand = availability.on_hand + locked.delta,
        reserved = least(locked.reserved - locked.fulfilled, greatest(availability.on_hand + locked.delta, 0))
    FROM locked WHERE availability.availability_id = locked.availability_id
    RETURNING availability.availability_id, site_id, sku_id, availability.lot_id, condition, on_hand,
              availability.reserved, locked.reserved - locked.fulfilled - availability.reserved AS lacking
), told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload)
    SELECT $7, 'availability', site.code || '/' || sku.code, jsonb_build_object(
        'site', site.code, 'sku', sku.code, 'lot', lot.code, 'condition', condition, 'on_hand', on_hand,
        'reserved', reserved)
    FROM changed JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id)
)
SELECT availability_id, site_id, sku_id, lot_id, condition, lacking FROM changed

-- name: make_availability
-- Availabilities that are missing, by parallel arrays in lock order, with nothing in them.
INSERT INTO availability (site_id, sku_id, lot_id, condition)
SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::text[]) AS a (site_id, sku_id, lot_id, condition)
ORDER BY site_id, sku_id, lot_id, condition
ON CONFLICT DO NOTHING

-- name: lock_all
-- Availabilities, by parallel arrays of their keys and by allocations made from them, locked in lock order.
WITH wanted AS MATERIALIZED (
    SELECT availability_id FROM unnest($1::int[], $2::int[], $3::int[], $4::text[])
        AS s (site_id, sku_id, lot_id, condition) JOIN availability USING (site_id, sku_id, lot_id, condition)
    UNION SELECT availability_id FROM allocation WHERE allocation_id = ANY ($5::bigint[])
)
SELECT availability_id FROM availability WHERE availability_id IN (SELECT availability_id FROM wanted)
ORDER BY site_id, sku_id, lot_id, condition FOR NO KEY UPDATE

-- name: lock_shelves
-- The availabilities of allocations, locked in lock order: the lock that guards every allocation made from them.
SELECT availability_id, site_id, sku_id, lot_id, condition FROM availability
WHERE availability_id IN (SELECT availability_id FROM allocation WHERE allocation_id = ANY ($1::bigint[]))
ORDER BY site_id, sku_id, lot_id, condition FOR NO KEY UPDATE

-- name: fulfil
-- Units that serve allocations, by parallel arrays. Those that leave now end what is held first, then what had fallen
-- short and was found after all; those that had left before (and were missed then) the other way round. Answers how many
-- of each availability's promises end, and whether nothing of an allocation that had fallen short is lacking any more.
WITH leaving AS (
    SELECT allocation_id, left_before, sum(quantity)::bigint AS quantity
    FROM unnest($1::bigint[], $2::bigint[], $3::bool[]) AS l (allocation_id, quantity, left_before)
    GROUP BY allocation_id, left_before
), split AS (
    SELECT allocation_id, least(held, quantity - CASE WHEN left_before THEN least(short, quantity) ELSE 0 END) AS of_held,
           quantity
    FROM allocation JOIN leaving USING (allocation_id)
)
UPDATE allocation SET held = held - of_held, short = short - least(short, quantity - of_held),
    fulfilled = fulfilled + of_held + least(short, quantity - of_held)
FROM split WHERE allocation.allocation_id = split.allocation_id
RETURNING allocation.allocation_id, allocation.availability_id, of_held, short = 0 AND quantity > of_held AS is_found

-- name: holders
-- Allocations that hold units of an availability, in the order in which they were made.
SELECT allocation_id, held FROM allocation WHERE availability_id = $1 AND held > 0 ORDER BY allocation_id

-- name: cut_short
-- Allocations that lose units, by parallel arrays; the outbox is told of each.
WITH cut AS (
    UPDATE allocation SET held = held - quantity, short = short + quantity
    FROM unnest($1::bigint[], $2::bigint[]) AS s (allocation_id, quantity)
    WHERE allocation.allocation_id = s.allocation_id
    RETURNING allocation.allocation_id, availability_id, holder_kind, holder_id, held, short, quantity
), told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload)
    SELECT $3, 'allocation', site.code || '/' || sku.code, jsonb_build_object(
        'allocation', allocation_id, 'holder', holder_kind, 'holder_id', holder_id, 'site', site.code, 'sku', sku.code,
        'held', held, 'short', short)
    FROM cut JOIN availability USING (availability_id) JOIN site USING (site_id) JOIN sku USING (sku_id)
)
SELECT allocation_id, availability.site_id, sku.code AS sku, lot.code AS lot, short, sales_order.code AS "order",
       document.code AS document
FROM cut JOIN availability USING (availability_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id, sku_id)
LEFT JOIN order_line ON holder_kind = 'order' AND order_line.line_id = holder_id
LEFT JOIN sales_order USING (order_id)
LEFT JOIN document_line ON holder_kind = 'transfer' AND document_line.line_id = holder_id
LEFT JOIN document USING (document_id)

-- name: hold
-- Promise units, by parallel arrays of availability, units, holder. The caller has locked the availabilities and seen
-- that the units are there; the CHECK sees it again.
WITH wanted AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])
        WITH ORDINALITY AS w (availability_id, quantity, holder_kind, holder_id, place)
), promised AS (
    UPDATE availability SET reserved = reserved + total
    FROM (SELECT availability_id, sum(quantity)::bigint AS total FROM wanted GROUP BY availability_id) AS t
    WHERE availability.availability_id = t.availability_id
    RETURNING site_id, sku_id, lot_id, condition, on_hand, reserved
), told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload)
    SELECT $5, 'availability', site.code || '/' || sku.code, jsonb_build_object(
        'site', site.code, 'sku', sku.code, 'lot', lot.code, 'condition', condition, 'on_hand', on_hand,
        'reserved', reserved)
    FROM promised JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id)
)
INSERT INTO allocation (availability_id, holder_kind, holder_id, granted, held, made_at)
SELECT availability_id, holder_kind, holder_id, quantity, quantity, $5 FROM wanted ORDER BY place
RETURNING allocation_id, availability_id, holder_kind, holder_id, held

-- name: release
-- Give promised units back, by parallel arrays, never more than is held; the outbox is told. The caller has locked the
-- availabilities.
WITH given AS (
    SELECT allocation_id, availability_id, least(held, quantity) AS quantity
    FROM allocation JOIN unnest($1::bigint[], $2::bigint[]) AS r (allocation_id, quantity) USING (allocation_id)
), let AS (
    UPDATE allocation SET held = held - given.quantity, released = released + given.quantity
    FROM given WHERE allocation.allocation_id = given.allocation_id
), free AS (
    UPDATE availability SET reserved = reserved - total
    FROM (SELECT availability_id, sum(quantity)::bigint AS total FROM given GROUP BY availability_id) AS t
    WHERE availability.availability_id = t.availability_id
    RETURNING site_id, sku_id, lot_id, condition, on_hand, reserved
)
INSERT INTO outbox (recorded_at, kind, key, payload)
SELECT $3, 'availability', site.code || '/' || sku.code, jsonb_build_object(
    'site', site.code, 'sku', sku.code, 'lot', lot.code, 'condition', condition, 'on_hand', on_hand,
    'reserved', reserved)
FROM free JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id)

-- name: availability_differences
-- Availabilities that are not the sum of their site's balances, or whose promises are not the sum of what is held; and
-- allocations of nothing.
WITH held AS (
    SELECT availability_id, sum(held)::bigint AS held FROM allocation GROUP BY availability_id
), stands AS (
    SELECT balance.site_id, balance.sku_id, balance.lot_id, balance.condition, sum(net)::bigint AS net
    FROM balance JOIN zone USING (zone_id)
    WHERE zone.kind <> ALL ($2::text[])
    GROUP BY balance.site_id, balance.sku_id, balance.lot_id, balance.condition
)
SELECT coalesce(concat_ws('/', site.code, sku.code, lot.code, condition), 'number ' || availability_id) AS name,
       coalesce(on_hand, 0) AS on_hand, coalesce(net, 0) AS net, coalesce(reserved, 0) AS reserved,
       coalesce(held, 0) AS held
FROM availability
FULL JOIN stands USING (site_id, sku_id, lot_id, condition)
FULL JOIN held USING (availability_id)
LEFT JOIN site USING (site_id) LEFT JOIN sku USING (sku_id) LEFT JOIN lot USING (lot_id)
WHERE coalesce(on_hand, 0) <> coalesce(net, 0) OR coalesce(reserved, 0) <> coalesce(held, 0)
ORDER BY availability_id LIMIT $1
