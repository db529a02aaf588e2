-- name: expect_units
-- Lines of a receipt from what was announced, by parallel arrays; one that has lines already keeps them.
INSERT INTO document_line (document_id, line_no, sku_id, lot_id, expected)
SELECT $1, row_number() OVER (ORDER BY place), sku_id, lot_id, expected
FROM unnest($2::int[], $3::int[], $4::bigint[]) WITH ORDINALITY AS l (sku_id, lot_id, expected, place)
WHERE NOT EXISTS (SELECT FROM document_line WHERE document_id = $1)

-- name: expect_things
-- Things that a receipt announces, and the pallets they are on.
INSERT INTO document_item (document_id, item_id, expected)
SELECT DISTINCT $1::bigint, named, true
FROM item, unnest(ARRAY[item_id, parent_id]) AS n (named)
WHERE item_id = ANY ($2::bigint[]) AND named IS NOT NULL
ORDER BY named
ON CONFLICT (document_id, item_id) DO UPDATE SET expected = true
