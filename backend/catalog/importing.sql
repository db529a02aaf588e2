-- name: put_sites
-- Define sites by parallel arrays, or change what is said of them; each gets its virtual zones.
WITH put AS (
    INSERT INTO site (code, name, region, time_zone)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS s (code, name, region, time_zone)
    ORDER BY code
    ON CONFLICT (code) DO UPDATE
    SET name = excluded.name, region = excluded.region, time_zone = excluded.time_zone
    RETURNING site_id
)
INSERT INTO zone (site_id, code, kind)
SELECT site_id, kind, kind FROM put, unnest($5::text[]) AS k (kind)
ON CONFLICT (site_id, code) DO NOTHING

-- name: known_time_zones
-- Those of these names that are time zones.
SELECT name FROM pg_timezone_names WHERE name = ANY ($1::text[])

-- name: sites_by_code
-- Sites of these codes.
SELECT site_id, code FROM site WHERE code = ANY ($1::text[])

-- name: zones_of_sites
-- Every zone of these sites, with the code of its parent.
SELECT zone.site_id, zone.zone_id, zone.code, zone.kind, parent.code AS parent
FROM zone LEFT JOIN zone AS parent ON parent.zone_id = zone.parent_id
WHERE zone.site_id = ANY ($1::int[])

-- name: put_zones
-- Define zones by parallel arrays, or change what is said of them; parents are joined afterwards.
INSERT INTO zone (site_id, code, name, kind)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[]) AS z (site_id, code, name, kind)
ORDER BY site_id, code
ON CONFLICT (site_id, code) DO UPDATE SET name = excluded.name, kind = excluded.kind

-- name: join_parents
-- Give zones their parents by parallel arrays; an empty parent means none.
UPDATE zone SET parent_id = parent.zone_id
FROM unnest($1::int[], $2::text[], $3::text[]) AS z (site_id, code, parent)
LEFT JOIN zone AS parent ON parent.site_id = z.site_id AND parent.code = z.parent
WHERE zone.site_id = z.site_id AND zone.code = z.code

-- name: put_portals
-- Define portals by parallel arrays, or change what is said of them.
INSERT INTO portal (site_id, code, name, inside_zone_id)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::int[]) AS p (site_id, code, name, inside_zone_id)
ORDER BY site_id, code
ON CONFLICT (site_id, code) DO UPDATE SET name = excluded.name, inside_zone_id = excluded.inside_zone_id
