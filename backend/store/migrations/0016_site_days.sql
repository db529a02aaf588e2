-- A lot expires at the end of its day where it lies: days are those of the site's own time zone, never of UTC.

CREATE FUNCTION day_at(at timestamptz, time_zone text) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (at AT TIME ZONE time_zone)::date $$;
COMMENT ON FUNCTION day_at IS 'The day that an instant lies in, in a time zone. Every question about expiry asks this one.';

ALTER TABLE site ADD CONSTRAINT known_time_zone CHECK (day_at('epoch', time_zone) IS NOT NULL);
COMMENT ON CONSTRAINT known_time_zone ON site IS 'A name that is no time zone would fail every question about expiry at all sites.';
