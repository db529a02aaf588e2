-- Balances that exist are changed by an UPDATE, which costs half of an INSERT … ON CONFLICT. But an UPDATE joined to a
-- list locks in the order of its plan, and the lock order is that of the list: so its plan is made here, where every
-- other way to join is shut.

CREATE FUNCTION add_to_balances(site_ids int[], zone_ids int[], sku_ids int[], lot_ids int[], conditions text[], deltas bigint[])
RETURNS TABLE (place bigint, balance_id bigint, site_id int, net bigint)
LANGUAGE sql
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
    UPDATE balance SET net = balance.net + s.delta
    FROM unnest(site_ids, zone_ids, sku_ids, lot_ids, conditions, deltas) WITH ORDINALITY
        AS s (site_id, zone_id, sku_id, lot_id, condition, delta, place)
    WHERE balance.site_id = s.site_id AND balance.zone_id = s.zone_id AND balance.sku_id = s.sku_id
      AND balance.lot_id = s.lot_id AND balance.condition = s.condition
    RETURNING s.place, balance.balance_id, balance.site_id, balance.net
$$;
COMMENT ON FUNCTION add_to_balances IS
    'Adds deltas to the balances that exist, locked in the order of the arrays; answers each with its place among them, from 1.';
