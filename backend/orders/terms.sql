-- name: terms_revision
-- The store, and the counter that every change of channels, rules, sites and lanes moves.
SELECT store_id, catalog_revision FROM store

-- name: site_codes
-- Every site by its code.
SELECT site_id, code FROM site

-- name: lanes
-- What it costs to serve a region from a site; without a lane the site's own region is free.
SELECT site_id, region, cost FROM lane
UNION ALL
SELECT site_id, region, 0 FROM site
WHERE NOT EXISTS (SELECT FROM lane WHERE lane.site_id = site.site_id AND lane.region = site.region)
