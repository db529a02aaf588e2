-- A kind of zone is named once where goods are looked for: the first time it is named said all, so the rest is left out.

UPDATE scan_rule SET sources = (
    SELECT array_agg(kind ORDER BY place)
    FROM (SELECT kind, min(place) AS place FROM unnest(sources) WITH ORDINALITY AS s (kind, place) GROUP BY kind) AS once)
WHERE cardinality(sources) > 1;

ALTER TABLE scan_rule ADD CONSTRAINT sources_once CHECK (intent = 'receive' OR cardinality(sources) =
    ('receiving' = ANY (sources))::int + ('storage' = ANY (sources))::int + ('pick_face' = ANY (sources))::int
    + ('packing' = ANY (sources))::int + ('staging' = ANY (sources))::int + ('dock' = ANY (sources))::int
    + ('quarantine' = ANY (sources))::int + ('returns' = ANY (sources))::int);
COMMENT ON CONSTRAINT sources_once ON scan_rule IS
    'As many kinds as are named at all; what is received comes from one kind alone, by a_rule_that_can_be.';
