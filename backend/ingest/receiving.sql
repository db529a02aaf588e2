-- name: opened
-- Those of these balances, by parallel arrays, whose units without serial numbers were told by opening stock before,
-- each with its place in the arrays and one document that told of it.
SELECT b.place, min(posting.document) AS document
FROM unnest($2::int[], $3::int[], $4::int[], $5::text[]) WITH ORDINALITY
         AS b (zone_id, sku_id, lot_id, condition, place)
JOIN balance USING (zone_id, sku_id, lot_id, condition)
JOIN posting ON posting.to_balance_id = balance.balance_id
WHERE posting.reason = $1 AND posting.item_id IS NULL
GROUP BY b.place
ORDER BY b.place

-- name: note_documents
-- Documents taken in, by parallel arrays; answers those that were not before. Waits for an import of the same one.
INSERT INTO document_import (kind, document, sha256, line_count, actor, recorded_at)
SELECT $1, document, sha256, line_count, $2, $3
FROM unnest($4::text[], $5::text[], $6::int[]) AS d (document, sha256, line_count)
ORDER BY document
ON CONFLICT DO NOTHING
RETURNING document

-- name: documents
-- What is known of documents taken in before.
SELECT document, sha256, recorded_at FROM document_import WHERE kind = $1 AND document = ANY ($2::text[])
