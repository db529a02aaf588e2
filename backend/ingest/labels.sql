-- name: take_serials
-- The first of so many serial numbers of a GTIN that nobody was given before; the row's lock lets one go after another.
INSERT INTO serial_counter (gtin, next) VALUES ($1, 1 + $2::bigint)
ON CONFLICT (gtin) DO UPDATE SET next = serial_counter.next + $2
RETURNING next - $2 AS first

-- name: add_run
-- A list of labels.
INSERT INTO label_run (site_id, gtin, sku_id, lot_id, document, actor, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING label_run_id

-- name: add_labelled
-- Things of a list of labels, by parallel arrays; one whose EPC or identity is somebody's already is left out.
INSERT INTO item (epc, identity, kind, sku_id, lot_id, quantity, zone_id, first_sku_id, first_lot_id, first_quantity,
                  document, label_run_id)
SELECT epc, identity, 'sgtin', $3, $4, $5, $6, $3, $4, $5, $7, $8
FROM unnest($1::bytea[], $2::text[]) AS i (epc, identity)
ON CONFLICT DO NOTHING
RETURNING epc, identity

-- name: run
-- A list of labels.
SELECT label_run_id, site.code AS site, gtin, sku.code AS sku, sku.name, lot.code AS lot, lot.expires_on, document, actor,
       made_at
FROM label_run JOIN site USING (site_id) JOIN sku USING (sku_id) JOIN lot USING (lot_id) WHERE label_run_id = $1

-- name: labels
-- The labels of a list, in the order in which they were handed out.
SELECT epc, identity FROM item WHERE label_run_id = $1 ORDER BY item_id
