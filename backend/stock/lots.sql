-- name: lock_lot
-- One lot that somebody named, locked.
SELECT lot_id, status FROM lot JOIN sku USING (sku_id)
WHERE sku.code = $1 AND lot.code = $2 AND lot.code <> '' FOR NO KEY UPDATE OF lot

-- name: set_status
-- What a person says of a lot; what it was before is kept.
WITH said AS (
    INSERT INTO lot_word (lot_id, before, status, reason, actor, said_at)
    SELECT lot_id, status, $2, $3, $4, $5 FROM lot WHERE lot_id = $1
)
UPDATE lot SET status = $2 WHERE lot_id = $1

-- name: tell_lot
-- The outbox is told of what sites hold of a lot: what may be promised there has changed with its status.
INSERT INTO outbox (recorded_at, kind, key, payload)
SELECT $2, 'availability', site.code || '/' || sku.code, jsonb_build_object(
    'site', site.code, 'sku', sku.code, 'lot', lot.code, 'condition', condition, 'on_hand', on_hand,
    'reserved', reserved)
FROM availability JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id, sku_id)
WHERE lot_id = $1 ORDER BY site_id, condition

-- name: promised
-- What sites have promised of lots that are not released, in the order of their keys.
SELECT lot.lot_id, site_id, sku.code AS sku, lot.code AS lot, lot.status, sum(reserved)::bigint AS units
FROM availability JOIN lot USING (lot_id, sku_id) JOIN sku USING (sku_id)
WHERE lot.status <> 'released' AND reserved > 0
GROUP BY lot.lot_id, site_id, sku.code, lot.code, lot.status
ORDER BY lot.lot_id, site_id

-- name: standing
-- The alerts that stand for promised lots.
SELECT key FROM alert WHERE kind = 'lot_promised' AND cleared_at IS NULL

-- name: lot_words
-- What was said of a lot, newest first, below a word.
SELECT lot_word_id, before, lot_word.status, reason, actor, said_at
FROM lot_word JOIN lot USING (lot_id) JOIN sku USING (sku_id)
WHERE sku.code = $1 AND lot.code = $2 AND ($3::bigint IS NULL OR lot_word_id < $3)
ORDER BY lot_word_id DESC LIMIT $4
