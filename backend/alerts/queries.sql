-- name: raise_alerts
-- Raise alerts by parallel arrays; one that stands already only learns its newest detail.
INSERT INTO alert (kind, key, site_id, detail, raised_at)
SELECT kind, key, site_id, detail, $5
FROM unnest($1::text[], $2::text[], $3::int[], $4::jsonb[]) AS a (kind, key, site_id, detail)
ORDER BY kind, key
ON CONFLICT (kind, key) WHERE cleared_at IS NULL DO UPDATE SET detail = excluded.detail
    WHERE alert.detail IS DISTINCT FROM excluded.detail

-- name: clear_alerts
-- Clear standing alerts by parallel arrays of kind and key, locked in their order.
UPDATE alert SET cleared_at = $3
FROM (
    SELECT alert_id FROM unnest($1::text[], $2::text[]) AS a (kind, key) JOIN alert USING (kind, key)
    WHERE cleared_at IS NULL ORDER BY kind, key FOR UPDATE OF alert
) AS standing
WHERE alert.alert_id = standing.alert_id
