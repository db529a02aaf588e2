-- name: list_alerts
-- Alerts, newest first, below the number given: the standing ones, the cleared ones, or all.
SELECT alert_id, kind, key, site.code AS site, detail, raised_at, cleared_at
FROM alert
LEFT JOIN site USING (site_id)
WHERE ($1::bigint IS NULL OR alert_id < $1)
  AND ($2::boolean IS NULL OR (cleared_at IS NULL) = $2)
ORDER BY alert_id DESC
LIMIT $3
