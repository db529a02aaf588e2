-- name: own_scan_rules
-- Where a site's scans do something else than usual.
SELECT intent, kind, place, sources, condition, takes_expired, refusal FROM scan_rule WHERE site_id = $1

-- name: put_scan_rule
-- What a scan does at a site.
INSERT INTO scan_rule (site_id, intent, kind, place, sources, condition, takes_expired, refusal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (site_id, intent, kind) DO UPDATE SET place = excluded.place, sources = excluded.sources,
    condition = excluded.condition, takes_expired = excluded.takes_expired, refusal = excluded.refusal

-- name: days_at
-- What day instants lie in at a site, in their order.
SELECT day_at(at, time_zone) AS day
FROM unnest($2::timestamptz[]) WITH ORDINALITY AS i (at, place), site WHERE site_id = $1 ORDER BY place

-- name: lots_that_end
-- Lots of these numbers that expire some day.
SELECT lot_id, code, expires_on FROM lot WHERE lot_id = ANY ($1::int[]) AND expires_on IS NOT NULL
