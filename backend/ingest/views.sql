-- name: list_causes
-- What lies in quarantine, one row for each cause, the most frequent first.
SELECT cause, count(*) AS events, min(reason) AS reason, min(recorded_at) AS first_at, max(recorded_at) AS last_at
FROM quarantine
WHERE state = $1 AND ($2::text IS NULL OR cause = $2)
GROUP BY cause
ORDER BY events DESC, cause
LIMIT $3

-- name: list_quarantine
-- Events set aside, newest first, below the number given, of one cause or of all.
SELECT quarantine_id, recorded_at, site, gateway, epoch, seq, cause, reason, event, raw, state, settled_at
FROM quarantine
WHERE state = $1 AND ($2::text IS NULL OR cause = $2) AND ($3::bigint IS NULL OR quarantine_id < $3)
ORDER BY quarantine_id DESC
LIMIT $4

-- name: list_gateways
-- Every gateway in the order of names, with its cursor and what its birth message names that the catalog lacks.
SELECT gateway.gateway, site.code AS site, gateway.online, gateway.config_hash, gateway.status_at,
       coalesce(gateway.status ->> 'site', site.code) AS claimed_site,
       gateway.status ->> 'epoch' AS epoch,
       cursor.through, cursor.moved_at AS through_at,
       coalesce(gateway.status -> 'zones', '[]') AS zones,
       coalesce(gateway.status -> 'portals', '[]') AS portals,
       coalesce(gateway.status -> 'readers', '[]') AS readers,
       ARRAY(SELECT named FROM jsonb_array_elements_text(gateway.status -> 'zones') AS named
             WHERE NOT EXISTS (SELECT FROM zone WHERE zone.site_id = site.site_id AND zone.code = named)
             ORDER BY named) AS unknown_zones,
       ARRAY(SELECT named FROM jsonb_array_elements_text(gateway.status -> 'portals') AS named
             WHERE NOT EXISTS (SELECT FROM portal WHERE portal.site_id = site.site_id AND portal.code = named)
             ORDER BY named) AS unknown_portals,
       (SELECT count(*) FROM lost_range WHERE lost_range.gateway = gateway.gateway) AS lost_ranges
FROM gateway
LEFT JOIN site USING (site_id)
LEFT JOIN ingest_cursor AS cursor
       ON cursor.gateway = gateway.gateway AND cursor.epoch = gateway.status ->> 'epoch'
WHERE gateway.gateway > $1
ORDER BY gateway.gateway
LIMIT $2
