-- name: rule
-- How a site counts, if it says so itself.
SELECT a_days, b_days, c_days, daily_lines, tolerance_units, tolerance_value FROM count_rule WHERE site_id = $1

-- name: put_rule
-- How a site counts from now on.
INSERT INTO count_rule (site_id, a_days, b_days, c_days, daily_lines, tolerance_units, tolerance_value)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (site_id) DO UPDATE SET a_days = excluded.a_days, b_days = excluded.b_days, c_days = excluded.c_days,
    daily_lines = excluded.daily_lines, tolerance_units = excluded.tolerance_units,
    tolerance_value = excluded.tolerance_value

-- name: code_taken
-- Whether a document or an order has a code already: a handheld's scan names any of them by it.
SELECT EXISTS (SELECT FROM document WHERE code = $1) OR EXISTS (SELECT FROM sales_order WHERE code = $1)

-- name: add_count
-- A count, and its first round.
WITH made AS (
    INSERT INTO stock_count (code, site_id, subject, zone_ids, sku_ids, blind, status, tolerance_units,
                             tolerance_value, made_at, changed_at, actor)
    VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $9, $10)
    ON CONFLICT (code) DO NOTHING RETURNING count_id
)
INSERT INTO count_round (count_id, round, opened_at) SELECT count_id, 1, $9 FROM made RETURNING count_id

-- name: lock_count
-- A count, locked.
SELECT count_id, code, site_id, subject, zone_ids, sku_ids, status, tolerance_units, tolerance_value
FROM stock_count WHERE code = $1 FOR UPDATE

-- name: rounds
-- A count's rounds.
SELECT round, opened_at, closed_at, closed_by FROM count_round WHERE count_id = $1 ORDER BY round

-- name: recounts
-- What later rounds count anew: of several the last.
SELECT zone_id, sku_id, max(round) AS round FROM count_recount WHERE count_id = $1 GROUP BY zone_id, sku_id

-- name: passes
-- Who counted which zones, when.
SELECT zone_id, subject, started_at, ended_at, operator FROM count_pass WHERE count_id = $1 ORDER BY started_at, pass_id

-- name: add_passes
-- Zones that somebody counted, by parallel arrays of zone and subject.
INSERT INTO count_pass (count_id, zone_id, subject, started_at, ended_at, operator, actor, recorded_at)
SELECT $1, $2, subject, $4, $5, $6, $7, $8 FROM unnest($3::text[]) AS p (subject)

-- name: add_reads
-- Tags found in a zone, by parallel arrays; the same read again is not kept twice.
INSERT INTO count_read (count_id, zone_id, at, epc, item_id, reason)
SELECT $1, $2, r.* FROM unnest($3::timestamptz[], $4::bytea[], $5::bigint[], $6::text[]) AS r (at, epc, item_id, reason)
ON CONFLICT DO NOTHING

-- name: add_words
-- Units found in a zone, by parallel arrays; of the same spot at the same instant the last word stands.
INSERT INTO count_word (count_id, zone_id, sku_id, lot_id, condition, spot, at, quantity)
SELECT $1, $2, w.* FROM unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::timestamptz[], $8::bigint[])
    AS w (sku_id, lot_id, condition, spot, at, quantity)
ON CONFLICT (count_id, zone_id, sku_id, lot_id, condition, spot, at) DO UPDATE SET quantity = excluded.quantity

-- name: reads
-- The tags that a count found and that name a thing.
SELECT item_id, zone_id, at FROM count_read WHERE count_id = $1 AND item_id IS NOT NULL

-- name: words
-- The units that a count found.
SELECT zone_id, sku_id, lot_id, condition, spot, at, quantity FROM count_word WHERE count_id = $1

-- name: scans
-- Scans made for a count while it was open.
SELECT device, scan_id, observed_at, operator, code, zone, quantity, lot, item_id
FROM scan
WHERE document = $1 AND intent = 'count' AND state = 'applied' AND site_id = $2 AND observed_at >= $3
  AND ($4::timestamptz IS NULL OR observed_at <= $4)
  AND NOT EXISTS (SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (scan.gateway, scan.epoch, scan.seq))

-- name: things_near
-- Things that stand in zones of one site, or did at some time since an instant; of some SKUs, or all.
SELECT item_id FROM item
WHERE zone_id = ANY ($1::int[]) AND sku_id IS NOT NULL AND ($2::int[] IS NULL OR sku_id = ANY ($2))
UNION
SELECT item_id FROM posting JOIN balance ON balance_id = to_balance_id
WHERE site_id = (SELECT min(site_id) FROM zone WHERE zone_id = ANY ($1)) AND zone_id = ANY ($1)
  AND ($2 IS NULL OR sku_id = ANY ($2)) AND item_id IS NOT NULL AND observed_at > $3
UNION
SELECT item_id FROM posting JOIN balance ON balance_id = from_balance_id
WHERE site_id = (SELECT min(site_id) FROM zone WHERE zone_id = ANY ($1)) AND zone_id = ANY ($1)
  AND ($2 IS NULL OR sku_id = ANY ($2)) AND item_id IS NOT NULL AND observed_at > $3

-- name: thing_facts
-- What things are, and when something else than a count saw them last. A departure is the absence of a sight; a reversed
-- event is none.
SELECT item_id, sku_id, lot_id, quantity, condition, greatest(
    (SELECT max(observed_at) FROM movement AS m WHERE m.item_id = item.item_id AND m.kind <> 'departed' AND NOT EXISTS (
        SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (m.gateway, m.epoch, m.seq))),
    (SELECT max(observed_at) FROM scan AS s WHERE s.item_id = item.item_id AND s.state = 'applied' AND NOT EXISTS (
        SELECT FROM reversal AS r WHERE (r.gateway, r.epoch, r.seq) = (s.gateway, s.epoch, s.seq))),
    (SELECT max(at) FROM count_read AS c WHERE c.item_id = item.item_id AND c.count_id <> $2)
) AS seen_at
FROM item WHERE item_id = ANY ($1::bigint[]) AND sku_id IS NOT NULL

-- name: thing_paths
-- Where the ledger had things: what their postings add to each zone, instant by instant; what is older than an instant in
-- one sum.
SELECT item_id, zone_id, at, sum(delta)::bigint AS delta
FROM (
    SELECT item_id, to_balance_id AS balance_id, greatest(observed_at, $2::timestamptz) AS at, quantity AS delta
    FROM posting WHERE item_id = ANY ($1::bigint[])
    UNION ALL
    SELECT item_id, from_balance_id, greatest(observed_at, $2), -quantity FROM posting WHERE item_id = ANY ($1)
) AS entry JOIN balance USING (balance_id)
GROUP BY item_id, zone_id, at HAVING sum(delta) <> 0
ORDER BY item_id, at

-- name: heaps
-- Units without serial numbers in zones of one site, now: what stands there without its things. Of one SKU those that
-- expire last come first.
WITH held AS (
    SELECT zone_id, sku_id, lot_id, condition, sum(quantity)::bigint AS units
    FROM item WHERE zone_id = ANY ($1::int[]) AND sku_id IS NOT NULL GROUP BY zone_id, sku_id, lot_id, condition
)
SELECT balance_id, zone_id, sku_id, lot_id, condition, net - coalesce(units, 0) AS units
FROM balance JOIN lot USING (sku_id, lot_id) LEFT JOIN held USING (zone_id, sku_id, lot_id, condition)
WHERE site_id = (SELECT min(site_id) FROM zone WHERE zone_id = ANY ($1)) AND zone_id = ANY ($1)
  AND ($2::int[] IS NULL OR sku_id = ANY ($2))
ORDER BY zone_id, sku_id, expires_on DESC NULLS FIRST, lot_id, condition

-- name: heap_changes
-- What came to balances and left them without serial numbers since an instant.
SELECT to_balance_id AS balance_id, observed_at AS at, quantity AS delta
FROM posting WHERE to_balance_id = ANY ($1::bigint[]) AND item_id IS NULL AND observed_at > $2
UNION ALL
SELECT from_balance_id, observed_at, -quantity
FROM posting WHERE from_balance_id = ANY ($1) AND item_id IS NULL AND observed_at > $2
ORDER BY at

-- name: unlotted
-- The lot of SKUs for stock whose lot nobody knows.
SELECT sku_id, lot_id FROM lot WHERE code = '' AND sku_id = ANY ($1::int[])

-- name: values
-- What one unit of SKUs is worth.
SELECT sku_id, value FROM sku WHERE sku_id = ANY ($1::int[]) AND value IS NOT NULL

-- name: forget_outcome
-- Make room for a newer look at a count.
WITH lines AS (DELETE FROM count_line WHERE count_id = $1) DELETE FROM count_thing WHERE count_id = $1

-- name: add_lines
-- What was expected and counted, by parallel arrays.
INSERT INTO count_line (count_id, zone_id, sku_id, lot_id, condition, subject, expected_least, expected_most, counted)
SELECT $1, l.* FROM unnest($2::int[], $3::int[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[])
    AS l (zone_id, sku_id, lot_id, condition, subject, expected_least, expected_most, counted)

-- name: add_things
-- Things that are not where the ledger has them, by parallel arrays.
INSERT INTO count_thing (count_id, item_id, finding, zone_id, from_zone_id, at)
SELECT $1, t.* FROM unnest($2::bigint[], $3::text[], $4::int[], $5::int[], $6::timestamptz[])
    AS t (item_id, finding, zone_id, from_zone_id, at)

-- name: close_round
-- Nothing more is counted in the open round.
UPDATE count_round SET closed_at = $2, closed_by = $3 WHERE count_id = $1 AND closed_at IS NULL

-- name: open_round
-- The next round of a count; answers its number.
INSERT INTO count_round (count_id, round, opened_at)
SELECT $1, max(round) + 1, $2 FROM count_round WHERE count_id = $1 RETURNING round

-- name: count_anew
-- A round counts anew what differed.
INSERT INTO count_recount (count_id, round, zone_id, sku_id)
SELECT DISTINCT $1::bigint, $2::int, zone_id, sku_id FROM count_line WHERE count_id = $1 AND difference <> 0

-- name: set_status
-- Where a count is in its life.
UPDATE stock_count SET status = $2, changed_at = $3, revision = revision + 1,
    approved_at = CASE WHEN $2 = 'approved' THEN $3::timestamptz END, approved_by = CASE WHEN $2 = 'approved' THEN $4::text END
WHERE count_id = $1

-- name: lasting_record
-- For each SKU in each zone that a count looked at: whether its last counts found a difference, the newest first.
SELECT zone_id, zone.code AS zone, sku_id, sku.code AS sku, differed
FROM (
    SELECT zone_id, sku_id, array_agg(differed ORDER BY approved_at DESC, count_id DESC) AS differed
    FROM (
        SELECT zone_id, sku_id, count_id, approved_at, bool_or(difference <> 0) AS differed,
               row_number() OVER (PARTITION BY zone_id, sku_id ORDER BY approved_at DESC, count_id DESC) AS place
        FROM count_line JOIN stock_count USING (count_id)
        WHERE status = 'approved'
          AND (zone_id, sku_id) IN (SELECT zone_id, sku_id FROM count_line WHERE count_id = $1)
        GROUP BY zone_id, sku_id, count_id, approved_at
    ) AS counted WHERE place <= $2 GROUP BY zone_id, sku_id
) AS record JOIN zone USING (zone_id) JOIN sku USING (sku_id)

-- name: tell
-- The notification of a transaction that changed stock.
SELECT pg_notify('tallyman_outbox', '')
