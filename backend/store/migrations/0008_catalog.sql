-- The whole catalog, labels with serial numbers, and pallets that carry what stands on them.

-- SKUs and their packs ------------------------------------------------------------------------------------------------

ALTER TABLE sku
    ADD COLUMN value            numeric(14, 4) CHECK (value >= 0),
    ADD COLUMN currency         text CHECK (currency ~ '^[A-Z]{3}$'),
    ADD COLUMN length_mm        integer CHECK (length_mm > 0),
    ADD COLUMN width_mm         integer CHECK (width_mm > 0),
    ADD COLUMN height_mm        integer CHECK (height_mm > 0),
    ADD COLUMN weight_g         integer CHECK (weight_g > 0),
    ADD COLUMN abc_class        text CHECK (abc_class IN ('A', 'B', 'C')),
    ADD COLUMN shelf_life_days  integer CHECK (shelf_life_days > 0),
    ADD CHECK ((value IS NULL) = (currency IS NULL));
COMMENT ON COLUMN sku.value IS 'Of one unit, in its currency (ISO 4217): what stock is worth.';
COMMENT ON COLUMN sku.shelf_life_days IS 'From making to expiry.';

ALTER TABLE sku_gtin ADD COLUMN pack text NOT NULL DEFAULT 'each' CHECK (pack IN ('each', 'inner', 'case', 'pallet'));
UPDATE sku_gtin SET pack = 'case' WHERE quantity > 1;
COMMENT ON COLUMN sku_gtin.pack IS 'What one thing with this GTIN is packed as.';

-- Lots: held and recalled by a person, with a reason -------------------------------------------------------------------

CREATE TABLE lot_word (
    lot_word_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lot_id       integer NOT NULL REFERENCES lot,
    before       text    NOT NULL,
    status       text    NOT NULL,
    reason       text    NOT NULL,
    actor        text    NOT NULL,
    said_at      timestamptz NOT NULL
);
COMMENT ON TABLE lot_word IS 'Who held, recalled or released a lot, when and why: never changed.';
CREATE INDEX lot_word_lot ON lot_word (lot_id, lot_word_id);

-- Labels: serial numbers handed out once -------------------------------------------------------------------------------

CREATE TABLE serial_counter (
    gtin  char(14) PRIMARY KEY,
    next  bigint   NOT NULL CHECK (next > 0)
);
COMMENT ON TABLE serial_counter IS 'The serial number that the next label of a GTIN gets. Only ever counted up.';

CREATE TABLE label_run (
    label_run_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id       integer  NOT NULL REFERENCES site,
    gtin          char(14) NOT NULL,
    sku_id        integer  NOT NULL REFERENCES sku,
    lot_id        integer  NOT NULL REFERENCES lot,
    document      text     NOT NULL,
    actor         text     NOT NULL,
    made_at       timestamptz NOT NULL
);
COMMENT ON TABLE label_run IS 'A list of labels to be printed and encoded; its things name it as their label_run_id.';
ALTER TABLE item ADD COLUMN label_run_id bigint;
CREATE INDEX item_label_run ON item (label_run_id) WHERE label_run_id IS NOT NULL;

-- Pallets and what stands on them --------------------------------------------------------------------------------------

CREATE TABLE aggregation (
    aggregation_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id         bigint NOT NULL,
    parent_id       bigint,
    observed_at     timestamptz NOT NULL,
    gateway         text   NOT NULL DEFAULT '',
    epoch           text   NOT NULL DEFAULT '',
    seq             bigint,
    document        text   NOT NULL DEFAULT '',
    actor           text   NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CHECK (item_id <> parent_id)
);
COMMENT ON TABLE aggregation IS
    'From observed_at on the thing is on this pallet or in this case; null: on nothing. Append-only: where things are '
    'follows from these rows and the observations of both (docs/adr/0016).';
COMMENT ON COLUMN aggregation.seq IS 'With gateway and epoch: the scan that said so; null: the row''s own number.';
CREATE INDEX aggregation_item ON aggregation (item_id);
CREATE INDEX aggregation_parent ON aggregation (parent_id) WHERE parent_id IS NOT NULL;

ALTER TABLE item
    ADD COLUMN contained   boolean NOT NULL DEFAULT false,
    ADD COLUMN parted_from bigint,
    ADD COLUMN rides       boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN item.contained IS 'Whether an aggregation ever spoke of it: its history is then told with its pallets''.';
COMMENT ON COLUMN item.parent_id IS 'The pallet or case it is on now; follows from aggregations and observations.';
COMMENT ON COLUMN item.rides IS 'Whether what it is on has been seen somewhere, so that a read of its own may part it from it.';
COMMENT ON COLUMN item.parted_from IS 'The pallet it was said to be on, and was read elsewhere than.';
CREATE INDEX item_parted ON item (parted_from) WHERE parted_from IS NOT NULL;

-- A pallet was a remark until now. One that nobody has seen carries its things from here on; of the others nobody knows
-- what still stands on them.
INSERT INTO aggregation (item_id, parent_id, observed_at, document, actor, recorded_at)
SELECT item.item_id, item.parent_id, store.made_at, coalesce(item.document, ''), 'migration', store.made_at
FROM item JOIN item AS pallet ON pallet.item_id = item.parent_id, store
WHERE pallet.observed_at IS NULL;
UPDATE item SET contained = true WHERE item_id IN (SELECT item_id FROM aggregation);
UPDATE item SET parent_id = NULL WHERE parent_id IS NOT NULL AND NOT contained;
CREATE INDEX item_parent ON item (parent_id) WHERE parent_id IS NOT NULL;
