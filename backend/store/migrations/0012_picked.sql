-- What of a promise was picked: picks are counted on the lot that was taken, so that another lot can be swapped in.

ALTER TABLE allocation ADD COLUMN picked bigint NOT NULL DEFAULT 0 CHECK (picked >= 0);
COMMENT ON COLUMN allocation.picked IS
    'Of what it holds or has shipped, for an order; a line counts all that was picked for it, beyond its promises too.';

-- Until now a line alone counted; what expires first was picked first.
UPDATE allocation SET picked = greatest(least(units, line_picked - before), 0)
FROM (
    SELECT allocation_id, held + fulfilled AS units, order_line.picked AS line_picked,
           sum(held + fulfilled) OVER (
               PARTITION BY line_id ORDER BY expires_on NULLS LAST, availability.lot_id, allocation_id
           ) - (held + fulfilled) AS before
    FROM order_line JOIN allocation ON holder_kind = 'order' AND holder_id = line_id
    JOIN availability USING (availability_id) JOIN lot ON lot.lot_id = availability.lot_id
    WHERE order_line.picked > 0
) AS told
WHERE allocation.allocation_id = told.allocation_id AND line_picked > before;
