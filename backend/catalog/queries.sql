-- name: count_revision
-- Say that sites, zones, portals or lanes are about to change: the lock that lets one change go after the other. (Their
-- tables say it again, for whoever changes them by hand.)
UPDATE store SET catalog_revision = catalog_revision + 1

-- name: places
-- Every site, zone and portal, and the revision that they are of: one statement, so that all of it is of one instant.
SELECT catalog_revision,
       ARRAY (SELECT ROW (site_id, code) FROM site) AS sites,
       ARRAY (SELECT ROW (zone_id, site_id, code, kind) FROM zone) AS zones,
       ARRAY (SELECT ROW (portal_id, site_id, code, inside_zone_id) FROM portal) AS portals
FROM store

-- name: site_day
-- What day an instant lies in at a site.
SELECT day_at($2, time_zone) FROM site WHERE site_id = $1

-- name: put_site
-- Define a site, or change what is said of it.
INSERT INTO site (code, name, region, time_zone) VALUES ($1, $2, $3, $4)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, region = excluded.region, time_zone = excluded.time_zone
RETURNING site_id

-- name: put_zone
-- Define a zone, or change what is said of it.
INSERT INTO zone (site_id, code, name, kind, parent_id)
VALUES ($1, $2, $3, $4, (SELECT parent.zone_id FROM zone parent WHERE parent.site_id = $1 AND parent.code = $5))
ON CONFLICT (site_id, code) DO UPDATE SET name = excluded.name, kind = excluded.kind, parent_id = excluded.parent_id

-- name: put_portal
-- Define a portal, or change what is said of it.
INSERT INTO portal (site_id, code, name, inside_zone_id)
SELECT $1, $2, $3, zone_id FROM zone WHERE site_id = $1 AND code = $4
ON CONFLICT (site_id, code) DO UPDATE SET name = excluded.name, inside_zone_id = excluded.inside_zone_id

-- name: put_skus
-- Define SKUs by parallel arrays, or change what is said of them.
INSERT INTO sku (code, name, unit)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS s (code, name, unit) ORDER BY code
ON CONFLICT (code) DO UPDATE SET name = excluded.name, unit = excluded.unit

-- name: describe_skus
-- What SKUs are worth, how large they are, how fast they turn and how long they live, by parallel arrays.
UPDATE sku SET value = s.value, currency = s.currency, length_mm = s.length_mm, width_mm = s.width_mm,
    height_mm = s.height_mm, weight_g = s.weight_g, abc_class = s.abc_class, shelf_life_days = s.shelf_life_days
FROM unnest($1::text[], $2::numeric[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::text[], $9::int[])
    AS s (code, value, currency, length_mm, width_mm, height_mm, weight_g, abc_class, shelf_life_days)
WHERE sku.code = s.code

-- name: lock_skus
-- What is known of SKUs of these codes, locked in their order.
SELECT code, name, unit, value, currency, length_mm, width_mm, height_mm, weight_g, abc_class, shelf_life_days
FROM sku WHERE code = ANY ($1::text[]) ORDER BY code FOR NO KEY UPDATE

-- name: put_gtins
-- Give SKUs their GTINs by parallel arrays; returns those that belong to another SKU already and stay there. Whose they
-- are is answered by the row itself: it may have come after this statement began.
WITH wanted AS (
    SELECT gtin, sku_id, quantity, pack
    FROM unnest($1::text[], $2::text[], $3::int[], $4::text[]) AS g (gtin, sku_code, quantity, pack)
    JOIN sku ON sku.code = sku_code
), put AS (
    INSERT INTO sku_gtin AS known (gtin, sku_id, quantity, pack)
    SELECT gtin, sku_id, quantity, pack FROM wanted ORDER BY gtin
    ON CONFLICT (gtin) DO UPDATE SET (quantity, pack) = (
        SELECT excluded.quantity, excluded.pack WHERE known.sku_id = excluded.sku_id
        UNION ALL SELECT known.quantity, known.pack WHERE known.sku_id <> excluded.sku_id)
    RETURNING gtin, sku_id
)
SELECT put.gtin, coalesce(sku.code, 'number ' || put.sku_id) AS owner
FROM put JOIN wanted USING (gtin) LEFT JOIN sku ON sku.sku_id = put.sku_id
WHERE put.sku_id <> wanted.sku_id

-- name: put_lots
-- Make missing lots by parallel arrays; a date that was unknown is filled in, one that is known stays.
INSERT INTO lot (sku_id, code, expires_on)
SELECT * FROM unnest($1::int[], $2::text[], $3::date[]) AS l (sku_id, code, expires_on) ORDER BY sku_id, code
ON CONFLICT (sku_id, code) DO UPDATE SET expires_on = excluded.expires_on
WHERE lot.expires_on IS NULL AND excluded.expires_on IS NOT NULL

-- name: put_unlotted
-- Give every one of these SKUs the lot with the empty code.
INSERT INTO lot (sku_id, code) SELECT sku_id, '' FROM sku WHERE code = ANY ($1::text[])
ON CONFLICT (sku_id, code) DO NOTHING

-- name: lots
-- Lots of SKUs by parallel arrays of SKU and code.
SELECT lot.lot_id, lot.sku_id, lot.code, lot.expires_on
FROM unnest($1::int[], $2::text[]) AS l (sku_id, code) JOIN lot USING (sku_id, code)

-- name: skus_by_code
-- SKUs of these codes.
SELECT sku_id, code FROM sku WHERE code = ANY ($1::text[])

-- name: skus_by_gtin
-- What these GTINs stand for, with each SKU's lot of the empty code.
SELECT gtin, sku_id, quantity, lot_id
FROM sku_gtin JOIN lot USING (sku_id) WHERE gtin = ANY ($1::text[]) AND lot.code = ''

-- name: list_sites
-- Sites in the order of their codes, after a code, or the one of a code.
SELECT site_id, code, name, region, time_zone FROM site
WHERE code > $1 AND ($3::text IS NULL OR code = $3) ORDER BY code LIMIT $2

-- name: list_zones
-- Zones in the order of site and code, of one site or all, after a (site, code), or the one of a code.
SELECT site.code AS site, zone.code, zone.name, zone.kind, parent.code AS parent
FROM zone JOIN site USING (site_id) LEFT JOIN zone parent ON parent.zone_id = zone.parent_id
WHERE ($1::text IS NULL OR site.code = $1) AND (site.code, zone.code) > ($2, $3)
  AND ($5::text IS NULL OR zone.code = $5)
ORDER BY site.code, zone.code LIMIT $4

-- name: list_portals
-- Portals in the order of site and code, of one site or all, after a (site, code), or the one of a code.
SELECT site.code AS site, portal.code, portal.name, zone.code AS inside_zone
FROM portal JOIN site USING (site_id) JOIN zone ON zone.zone_id = portal.inside_zone_id
WHERE ($1::text IS NULL OR site.code = $1) AND (site.code, portal.code) > ($2, $3)
  AND ($5::text IS NULL OR portal.code = $5)
ORDER BY site.code, portal.code LIMIT $4

-- name: list_skus
-- SKUs in the order of their codes, after a code, or the one of a code; each with its packs.
SELECT sku.code, sku.name, sku.unit, value, currency, length_mm, width_mm, height_mm, weight_g, abc_class,
       shelf_life_days, coalesce(
    (SELECT jsonb_agg(jsonb_build_object('gtin', gtin, 'quantity', quantity, 'pack', pack) ORDER BY gtin)
     FROM sku_gtin WHERE sku_gtin.sku_id = sku.sku_id), '[]'
) AS packs
FROM sku WHERE code > $1 AND ($3::text IS NULL OR code = $3) ORDER BY code LIMIT $2

-- name: list_lots
-- Lots in the order of SKU and code, of one SKU or all, after a (SKU, code), or the one of a code; those without a code
-- are no lots that anybody named.
SELECT sku.code AS sku, lot.code, lot.expires_on, lot.status
FROM lot JOIN sku USING (sku_id)
WHERE lot.code <> '' AND ($1::text IS NULL OR sku.code = $1) AND (sku.code, lot.code) > ($2, $3)
  AND ($5::text IS NULL OR lot.code = $5)
ORDER BY sku.code, lot.code LIMIT $4

-- name: hold_definition
-- One change of a definition at a time, so that nobody changes what another one has just read.
SELECT pg_advisory_xact_lock(hashtextextended($1, 0))
