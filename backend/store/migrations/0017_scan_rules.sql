-- What scans do at a site, where it differs from backend/effects/scanning.py: as crossing_rule says it of crossings.

CREATE TABLE scan_rule (
    site_id        integer NOT NULL REFERENCES site,
    intent         text    NOT NULL,
    kind           text    NOT NULL DEFAULT '' CHECK (kind IN ('', 'receipt', 'shipment', 'transfer', 'return')),
    place          text    NOT NULL,
    sources        text[]  NOT NULL DEFAULT '{}',
    condition      text    CHECK (condition IN ('sellable', 'damaged', 'quarantined', 'returned', 'refurbishing')),
    takes_expired  boolean NOT NULL DEFAULT true,
    refusal        text    NOT NULL DEFAULT '',
    PRIMARY KEY (site_id, intent, kind),
    CONSTRAINT a_rule_that_can_be CHECK (CASE
        WHEN intent IN ('count', 'aggregate', 'disaggregate') THEN
            place = 'stays' AND sources = '{}' AND condition IS NULL AND takes_expired
        WHEN intent = 'damage' THEN
            place IN ('stays', 'customer', 'in_transit', 'vendor', 'scrap') AND sources = '{}'
            AND (place <> 'stays' OR coalesce(condition, 'sellable') <> 'sellable')
        WHEN intent = 'receive' THEN
            place = 'scanned' AND cardinality(sources) = 1
            AND sources <@ ARRAY['supplier', 'customer', 'in_transit', 'vendor', 'unknown']
            AND (kind <> 'transfer' OR sources = ARRAY['in_transit'])
        WHEN intent IN ('put_away', 'move', 'pick', 'pack', 'ship') THEN
            (CASE WHEN intent <> 'ship' THEN place = 'scanned'
                  WHEN kind = 'transfer' THEN place = 'in_transit'
                  ELSE place IN ('customer', 'in_transit', 'vendor', 'scrap') END)
            AND cardinality(sources) > 0
            AND sources <@ ARRAY['receiving', 'storage', 'pick_face', 'packing', 'staging', 'dock', 'quarantine', 'returns']
        ELSE false END)
);
COMMENT ON COLUMN scan_rule.kind IS 'Of the document that the scan names, empty for none.';
COMMENT ON COLUMN scan_rule.place IS 'scanned: the zone that the scan names; stays: where the goods are; else a virtual zone.';
COMMENT ON COLUMN scan_rule.refusal IS 'Why every such scan is refused; empty: it is not.';
