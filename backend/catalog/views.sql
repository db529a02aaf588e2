-- name: list_sites
-- Sites in the order of their codes, behind the code given.
SELECT code, name, region, time_zone FROM site WHERE code > $1 ORDER BY code LIMIT $2

-- name: list_zones
-- Zones in the order of (site, code), of one site or of all, behind the pair given.
SELECT site.code AS site, zone.code, zone.name, zone.kind, parent.code AS parent
FROM zone
JOIN site USING (site_id)
LEFT JOIN zone AS parent ON parent.zone_id = zone.parent_id
WHERE ($1::text IS NULL OR site.code = $1) AND (site.code, zone.code) > ($2, $3)
ORDER BY site.code, zone.code
LIMIT $4
