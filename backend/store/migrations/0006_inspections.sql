-- Inspections: what a person decided about goods that came back, broke, or were set apart.

CREATE TABLE inspection (
    inspection_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    inspected_at   timestamptz NOT NULL,
    site_id        integer NOT NULL REFERENCES site,
    sku_id         integer NOT NULL REFERENCES sku,
    lot_id         integer NOT NULL REFERENCES lot,
    item_id        bigint,
    quantity       bigint  NOT NULL CHECK (quantity > 0),
    condition      text    NOT NULL,
    disposition    text    NOT NULL,
    reason         text    NOT NULL,
    photo          text    NOT NULL DEFAULT '',
    actor          text    NOT NULL
);
COMMENT ON COLUMN inspection.condition IS 'What it was in when it was looked at.';
COMMENT ON COLUMN inspection.photo IS 'Where a picture lies: a reference of the company''s own, never the picture.';
CREATE INDEX inspection_site ON inspection (site_id, inspection_id);

ALTER TABLE site ADD COLUMN inspect_within_h integer NOT NULL DEFAULT 48 CHECK (inspect_within_h > 0);
COMMENT ON COLUMN site.inspect_within_h IS 'Returned goods that nobody looked at for so long raise an alert.';

-- What goes back to whom it was bought from stands apart from what he is still to send.
ALTER TABLE zone DROP CONSTRAINT zone_kind_check, ADD CONSTRAINT zone_kind_check CHECK (kind IN (
    'receiving', 'storage', 'pick_face', 'packing', 'staging', 'dock', 'quarantine', 'returns',
    'supplier', 'customer', 'vendor', 'in_transit', 'scrap', 'count_difference', 'unknown'));
DROP INDEX zone_one_virtual;
CREATE UNIQUE INDEX zone_one_virtual ON zone (site_id, kind)
    WHERE kind IN ('supplier', 'customer', 'vendor', 'in_transit', 'scrap', 'count_difference', 'unknown');
INSERT INTO zone (site_id, code, kind) SELECT site_id, 'vendor', 'vendor' FROM site;
