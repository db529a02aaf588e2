-- The bare limit that bench/ingest.py measures against: what it costs to move things, keep who moved what, and keep
-- sums, when nothing is parsed, judged, numbered, guarded or told. One table each, three statements a batch. The first
-- part fills the schema that is measured, the second copies what the limit needs of it.

-- name: seed_items
-- So many things of one site, each in one of its real zones, put there by an observation of long ago. SKUs and zones
-- are dealt out in turn.
INSERT INTO item (epc, identity, kind, sku_id, lot_id, quantity, origin_zone_id, first_sku_id, first_lot_id,
                  first_quantity, first_origin_zone_id, zone_id, present, observed_at, gateway, epoch, seq)
SELECT decode('3034257BF7194E40' || lpad(to_hex(n), 8, '0'), 'hex'), '010950600013435221' || lpad(n::text, 8, '0'), 'sgtin', sku_id, lot_id,
       1, supplier.zone_id, sku_id, lot_id, 1, supplier.zone_id, place.zone_id, true, $2, 'seed', '00000000000000aa', n
FROM generate_series(1, $1::int) AS n
JOIN (SELECT sku_id, lot_id, row_number() OVER (ORDER BY sku_id) - 1 AS turn, count(*) OVER () AS many FROM lot) AS goods
  ON goods.turn = n % goods.many
JOIN (SELECT zone_id, row_number() OVER (ORDER BY zone_id) - 1 AS turn, count(*) OVER () AS many
      FROM zone WHERE kind = 'storage') AS place ON place.turn = n / goods.many % place.many
CROSS JOIN (SELECT zone_id FROM zone WHERE kind = 'supplier') AS supplier
ORDER BY n

-- name: seed_balances
-- Their sums.
INSERT INTO balance (site_id, zone_id, sku_id, lot_id, condition, net)
SELECT site_id, zone_id, sku_id, lot_id, 'sellable', net
FROM (
    SELECT zone_id, sku_id, lot_id, count(*) AS net FROM item GROUP BY zone_id, sku_id, lot_id
    UNION ALL SELECT origin_zone_id, sku_id, lot_id, -count(*) FROM item GROUP BY origin_zone_id, sku_id, lot_id
) AS held JOIN zone USING (zone_id)

-- name: seed_postings
-- How they came there.
INSERT INTO posting (recorded_at, observed_at, from_balance_id, to_balance_id, quantity, item_id, reason, actor, role)
SELECT $1, $1, taken.balance_id, given.balance_id, 1, item_id, 'receive', 'bench', 'bench'
FROM item
JOIN balance AS taken ON taken.zone_id = origin_zone_id AND taken.sku_id = item.sku_id
JOIN balance AS given ON given.zone_id = item.zone_id AND given.sku_id = item.sku_id
ORDER BY item_id

-- name: seed_availability
-- What the site may promise of them.
INSERT INTO availability (site_id, sku_id, lot_id, condition, on_hand)
SELECT site_id, sku_id, lot_id, condition, sum(net) FROM balance WHERE net > 0
GROUP BY site_id, sku_id, lot_id, condition

-- name: make
-- The tables.
CREATE SCHEMA bare;
CREATE TABLE bare.item (
    item_id      bigint      PRIMARY KEY,
    epc          bytea       NOT NULL,
    sku_id       integer     NOT NULL,
    zone_id      integer     NOT NULL,
    observed_at  timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE bare.posting (
    posting_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at  timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    item_id      bigint      NOT NULL,
    sku_id       integer     NOT NULL,
    from_zone_id integer     NOT NULL,
    to_zone_id   integer     NOT NULL,
    quantity     integer     NOT NULL
);
CREATE TABLE bare.balance (
    zone_id  integer NOT NULL,
    sku_id   integer NOT NULL,
    net      bigint  NOT NULL,
    PRIMARY KEY (zone_id, sku_id)
) WITH (fillfactor = 50);

-- name: fill_items
-- Copy the things of the schema that is measured.
INSERT INTO bare.item SELECT item_id, epc, sku_id, zone_id, observed_at FROM item ORDER BY item_id

-- name: fill_balances
-- Copy their sums.
INSERT INTO bare.balance SELECT zone_id, sku_id, net FROM balance

-- name: move_items
-- Put things in their new zones, by parallel arrays.
UPDATE bare.item SET zone_id = m.zone_id, observed_at = m.observed_at
FROM unnest($1::bigint[], $2::int[], $3::timestamptz[]) AS m (item_id, zone_id, observed_at)
WHERE item.item_id = m.item_id

-- name: add_postings
-- Write who moved what, by parallel arrays.
INSERT INTO bare.posting (recorded_at, observed_at, item_id, sku_id, from_zone_id, to_zone_id, quantity)
SELECT $1, p.*, 1 FROM unnest($2::timestamptz[], $3::bigint[], $4::int[], $5::int[], $6::int[]) AS p

-- name: change_balances
-- Add deltas to sums, by parallel arrays in the order of their keys.
INSERT INTO bare.balance (zone_id, sku_id, net)
SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[])
ON CONFLICT (zone_id, sku_id) DO UPDATE SET net = balance.net + excluded.net
