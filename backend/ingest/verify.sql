-- name: cursor_faults
-- Where the numbers of a gateway's epoch are not each settled exactly once, from 1 to its cursor: runs of numbers, in
-- order, that are `missing`, settled more than once (`doubled`), or beyond the cursor. A quarantined event that was
-- replayed is settled by what the replay made of it.
WITH settled AS (
    SELECT gateway, epoch, seq AS first, seq AS last FROM movement
    UNION ALL SELECT gateway, epoch, seq, seq FROM scan
    UNION ALL SELECT gateway, epoch, seq, seq FROM scan_repeat
    UNION ALL SELECT gateway, epoch, seq, seq FROM reader_health
    UNION ALL SELECT gateway, epoch, seq, seq FROM quarantine WHERE seq IS NOT NULL AND state <> 'replayed'
    UNION ALL SELECT gateway, epoch, from_seq, through_seq FROM lost_range
    -- the end of what must be settled, so that a gap before it shows
    UNION ALL SELECT gateway, epoch, through + 1, through FROM ingest_cursor
), ordered AS (
    SELECT gateway, epoch, first, last,
           coalesce(max(last) OVER (PARTITION BY gateway, epoch ORDER BY first, last
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM settled
), fault AS (
    SELECT gateway, epoch, 'missing' AS fault, before + 1 AS first, first - 1 AS last
    FROM ordered WHERE first > before + 1
    UNION ALL
    SELECT gateway, epoch, 'doubled', first, least(last, before)
    FROM ordered WHERE first <= before AND first <= last
    UNION ALL
    SELECT gateway, epoch, 'beyond', greatest(first, coalesce(through, 0) + 1), last
    FROM settled LEFT JOIN ingest_cursor USING (gateway, epoch)
    WHERE last > coalesce(through, 0) AND first <= last
)
SELECT gateway, epoch, fault, first, last FROM fault ORDER BY gateway, epoch, first, fault LIMIT $1

-- name: items_after
-- Items in the order of their numbers, behind a number.
SELECT item_id, epc, identity, sku_id, lot_id, quantity, origin_zone_id, zone_id, condition, left_at, present,
       observed_at, gateway, epoch, seq, parent_id, parted_from
FROM item WHERE item_id > $1 ORDER BY item_id LIMIT $2
