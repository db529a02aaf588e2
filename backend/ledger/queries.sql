-- name: change_balances
-- Add deltas to balances that exist, by parallel arrays in lock order. The outbox is told once for each site, by the
-- balances' numbers: what they are and hold is read where somebody wants to know it. Answers places in the arrays, with the
-- numbers and what they hold now.
WITH moved AS MATERIALIZED (
    SELECT * FROM add_to_balances($1::text::int[], $2::text::int[], $3::text::int[], $4::text::int[], $5::text::text[],
                                  $6::text::bigint[])
), told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload)
    SELECT $7, 'stock', site.code, jsonb_build_object('balances', array_agg(balance_id))
    FROM moved JOIN site USING (site_id) GROUP BY site.code
)
SELECT array_agg(place) AS places, array_agg(balance_id) AS balance_ids, array_agg(net) AS nets FROM moved

-- name: make_balances
-- The same where some do not exist yet: they are made.
WITH moved AS (
    INSERT INTO balance (site_id, zone_id, sku_id, lot_id, condition, net)
    SELECT * FROM unnest($1::text::int[], $2::text::int[], $3::text::int[], $4::text::int[], $5::text::text[],
                         $6::text::bigint[])
    ON CONFLICT (site_id, zone_id, sku_id, lot_id, condition) DO UPDATE SET net = balance.net + excluded.net
    RETURNING balance_id, site_id, zone_id, sku_id, lot_id, condition, net
), told AS (
    INSERT INTO outbox (recorded_at, kind, key, payload)
    SELECT $7, 'stock', site.code, jsonb_build_object('balances', array_agg(balance_id))
    FROM moved JOIN site USING (site_id) GROUP BY site.code
)
SELECT array_agg(place) AS places, array_agg(balance_id) AS balance_ids, array_agg(net) AS nets
FROM moved JOIN unnest($2::text::int[], $3::text::int[], $4::text::int[], $5::text::text[]) WITH ORDINALITY
    AS asked (zone_id, sku_id, lot_id, condition, place) USING (zone_id, sku_id, lot_id, condition)

-- name: add_postings
-- Postings of one instant of recording, by parallel arrays; those that end early are NULL from there on.
INSERT INTO posting (recorded_at, observed_at, from_balance_id, to_balance_id, quantity, item_id, reason, document, actor,
                     role, gateway, epoch, seq, reverses_id)
SELECT $1, p.* FROM unnest($2::text::timestamptz[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[],
    $6::text::bigint[], $7::text::text[], $8::text::text[], $9::text::text[], $10::text::text[], $11::text::text[],
    $12::text::text[], $13::text::bigint[], $14::text::bigint[]) AS p

-- name: balance_differences
-- Balances that are not the sum of their postings, and postings of a balance that does not exist.
WITH posted AS (
    SELECT balance_id, sum(quantity) AS net FROM (
        SELECT to_balance_id AS balance_id, quantity FROM posting
        UNION ALL SELECT from_balance_id, -quantity FROM posting
    ) AS entry GROUP BY balance_id
)
SELECT balance_id, balance.net, coalesce(posted.net, 0) AS posted,
       concat_ws('/', site.code, zone.code, sku.code, lot.code, balance.condition) AS name
FROM balance FULL JOIN posted USING (balance_id)
LEFT JOIN site ON site.site_id = balance.site_id
LEFT JOIN zone ON zone.zone_id = balance.zone_id
LEFT JOIN sku ON sku.sku_id = balance.sku_id
LEFT JOIN lot ON lot.lot_id = balance.lot_id
WHERE balance.net IS DISTINCT FROM coalesce(posted.net, 0)
ORDER BY balance_id LIMIT $1

-- name: crooked_postings
-- Postings that turn one SKU into another, or take and give in the same balance.
SELECT posting_id FROM posting
LEFT JOIN balance AS taken ON taken.balance_id = from_balance_id
LEFT JOIN balance AS given ON given.balance_id = to_balance_id
WHERE taken.sku_id IS DISTINCT FROM given.sku_id OR from_balance_id = to_balance_id
ORDER BY posting_id LIMIT $1

-- name: item_differences
-- Items whose postings do not add up to where they stand: plus their units there, minus them where they came from.
WITH stands AS (
    SELECT item.item_id, item.zone_id, item.sku_id, item.lot_id, item.condition, item.quantity::bigint AS net
    FROM item JOIN zone USING (zone_id)
    WHERE item.sku_id IS NOT NULL AND zone.kind NOT IN ('supplier', 'unknown')
    UNION ALL
    SELECT item.item_id, item.origin_zone_id, item.sku_id, item.lot_id, 'sellable', -item.quantity::bigint
    FROM item JOIN zone USING (zone_id)
    WHERE item.sku_id IS NOT NULL AND zone.kind NOT IN ('supplier', 'unknown')
), posted AS (
    SELECT item_id, zone_id, sku_id, lot_id, condition, sum(quantity) AS net FROM (
        SELECT item_id, to_balance_id AS balance_id, quantity FROM posting WHERE item_id IS NOT NULL
        UNION ALL SELECT item_id, from_balance_id, -quantity FROM posting WHERE item_id IS NOT NULL
    ) AS entry JOIN balance USING (balance_id)
    GROUP BY item_id, zone_id, sku_id, lot_id, condition
    HAVING sum(quantity) <> 0
)
SELECT item_id, item.epc, item.identity, zone.code AS zone, stands.net AS stands, posted.net AS posted
FROM stands FULL JOIN posted USING (item_id, zone_id, sku_id, lot_id, condition)
LEFT JOIN item USING (item_id)
LEFT JOIN zone ON zone.zone_id = coalesce(stands.zone_id, posted.zone_id)
WHERE stands.net IS DISTINCT FROM posted.net
ORDER BY item_id LIMIT $1
