-- Sites, catalog, items, ledger, ingest and outbox: everything the main job stands on.
--
-- Reading order: who and what (site, zone, portal, sku, lot) · things (item) · the ledger (balance, posting) ·
-- what was seen (ingest_cursor, movement, scan, quarantine) · what is told (alert, outbox).
-- Business time is written by the application from its injected clock; no column defaults to now().

CREATE TABLE store (
    store_id          uuid        NOT NULL,
    made_at           timestamptz NOT NULL,
    catalog_revision  bigint      NOT NULL DEFAULT 1,
    only_row          boolean     PRIMARY KEY DEFAULT true CHECK (only_row)
);
COMMENT ON TABLE store IS 'The identity that acknowledgements carry. Renewed when a database is restored or promoted.';
COMMENT ON COLUMN store.catalog_revision IS
    'Counted up by each change of sites, zones and portals: a worker whose copy is older reads them again.';

CREATE TABLE site (
    site_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code       text NOT NULL UNIQUE,
    name       text NOT NULL DEFAULT '',
    region     text NOT NULL DEFAULT '',
    time_zone  text NOT NULL DEFAULT 'UTC'
);

CREATE TABLE zone (
    zone_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id    integer NOT NULL REFERENCES site,
    code       text    NOT NULL,
    name       text    NOT NULL DEFAULT '',
    kind       text    NOT NULL CHECK (kind IN (
                   'receiving', 'storage', 'pick_face', 'packing', 'staging', 'dock', 'quarantine', 'returns',
                   'supplier', 'customer', 'in_transit', 'scrap', 'count_difference', 'unknown')),
    parent_id  integer REFERENCES zone,
    UNIQUE (site_id, code)
);
COMMENT ON COLUMN zone.kind IS
    'The last six are virtual: every site has one of each, coded as the kind, so each posting has two ends.';
CREATE UNIQUE INDEX zone_one_virtual ON zone (site_id, kind)
    WHERE kind IN ('supplier', 'customer', 'in_transit', 'scrap', 'count_difference', 'unknown');

CREATE TABLE portal (
    portal_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id         integer NOT NULL REFERENCES site,
    code            text    NOT NULL,
    name            text    NOT NULL DEFAULT '',
    inside_zone_id  integer NOT NULL REFERENCES zone,
    UNIQUE (site_id, code)
);

CREATE TABLE sku (
    sku_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code    text NOT NULL UNIQUE,
    name    text NOT NULL DEFAULT '',
    unit    text NOT NULL DEFAULT 'each'
);

CREATE TABLE sku_gtin (
    gtin      char(14) PRIMARY KEY CHECK (gtin ~ '^[0-9]{14}$'),
    sku_id    integer  NOT NULL REFERENCES sku,
    quantity  integer  NOT NULL DEFAULT 1 CHECK (quantity > 0)
);
COMMENT ON COLUMN sku_gtin.quantity IS 'Units of the SKU in one thing with this GTIN: 1 for an each, 12 for a case of 12.';

CREATE TABLE lot (
    lot_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku_id      integer NOT NULL REFERENCES sku,
    code        text    NOT NULL DEFAULT '',
    expires_on  date,
    UNIQUE (sku_id, code)
);
COMMENT ON TABLE lot IS 'Every SKU has the lot with the empty code: stock whose lot nobody knows or needs.';

-- Things -------------------------------------------------------------------------------------------------------------

CREATE TABLE item (
    item_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epc            bytea   UNIQUE,
    identity       text    UNIQUE,
    kind           text    NOT NULL CHECK (kind IN ('sgtin', 'sscc', 'grai', 'giai', 'other')),
    parent_id      bigint,
    document       text,
    -- what it is and where its stock came from: now, and at the start of its history
    sku_id         integer REFERENCES sku,
    lot_id         integer REFERENCES lot,
    quantity       integer NOT NULL CHECK (quantity > 0),
    origin_zone_id integer,
    first_sku_id   integer,
    first_lot_id   integer,
    first_quantity integer NOT NULL CHECK (first_quantity > 0),
    first_origin_zone_id integer,
    -- the end of the fold over its observations
    zone_id        integer NOT NULL,
    condition      text    NOT NULL DEFAULT 'sellable',
    left_at        timestamptz,
    present        boolean NOT NULL DEFAULT false,
    observed_at    timestamptz,
    gateway        text,
    epoch          text,
    seq            bigint,
    CHECK ((sku_id IS NULL) = (lot_id IS NULL)),
    CHECK ((first_sku_id IS NULL) = (first_lot_id IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE item IS
    'One serialised thing. Zones are written by the fold alone and checked by verify: a foreign key on them would lock '
    'the zone''s row at every movement.';
COMMENT ON COLUMN item.identity IS
    'Its GS1 element string, such as 01(GTIN)21(serial): the same for every encoding, filter value and company prefix '
    'length. A thing known by its label alone has no EPC until a reader sees it.';
COMMENT ON COLUMN item.origin_zone_id IS 'The supplier''s zone when a document announced it, else the site''s unknown.';
COMMENT ON COLUMN item.zone_id IS 'Its place; the origin while nobody has observed it.';
COMMENT ON COLUMN item.left_at IS 'When it left, while that still decides its place.';
COMMENT ON COLUMN item.observed_at IS 'With gateway, epoch and seq: its newest observation.';
CREATE INDEX item_sku ON item (sku_id);

CREATE TABLE document_import (
    kind         text NOT NULL,
    document     text NOT NULL,
    sha256       text NOT NULL,
    line_count   integer NOT NULL,
    actor        text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, document)
);
COMMENT ON TABLE document_import IS 'Files taken in: opening stock that is imported twice must not count twice.';

CREATE TABLE binding (
    binding_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id         bigint  NOT NULL REFERENCES item,
    bound_at        timestamptz NOT NULL,
    sku_id          integer NOT NULL REFERENCES sku,
    lot_id          integer NOT NULL REFERENCES lot,
    quantity        integer NOT NULL CHECK (quantity > 0),
    origin_zone_id  integer,
    zone_id         integer,
    condition       text,
    document        text NOT NULL,
    actor           text NOT NULL
);
COMMENT ON TABLE binding IS
    'A document''s word on an item that has a history: from bound_at on it is this SKU and lot, and (with a zone) there.';
CREATE INDEX binding_item ON binding (item_id);

-- The ledger ---------------------------------------------------------------------------------------------------------

CREATE TABLE balance (
    balance_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id     integer NOT NULL REFERENCES site,
    zone_id     integer NOT NULL REFERENCES zone,
    sku_id      integer NOT NULL REFERENCES sku,
    lot_id      integer NOT NULL REFERENCES lot,
    condition   text    NOT NULL,
    net         bigint  NOT NULL DEFAULT 0,
    UNIQUE (site_id, zone_id, sku_id, lot_id, condition)
) WITH (fillfactor = 50);
COMMENT ON COLUMN balance.net IS
    'Signed. Virtual zones mirror the real ones; in a real zone below zero means owed: taken before it was given.';
CREATE INDEX balance_sku ON balance (sku_id);

CREATE TABLE posting (
    posting_id       bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at      timestamptz NOT NULL,
    observed_at      timestamptz NOT NULL,
    from_balance_id  bigint  NOT NULL,
    to_balance_id    bigint  NOT NULL,
    quantity         bigint  NOT NULL CHECK (quantity > 0),
    item_id          bigint,
    reason           text    NOT NULL,
    document         text,
    actor            text    NOT NULL,
    role             text    NOT NULL,
    gateway          text,
    epoch            text,
    seq              bigint,
    reverses_id      bigint,
    CHECK (from_balance_id <> to_balance_id),
    PRIMARY KEY (posting_id, recorded_at)
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE posting IS 'Append-only, double entry: each takes from one balance and gives to another.';
CREATE TABLE posting_rest PARTITION OF posting DEFAULT;
CREATE INDEX posting_from ON posting (from_balance_id, observed_at);
CREATE INDEX posting_to ON posting (to_balance_id, observed_at);
CREATE INDEX posting_item ON posting (item_id, observed_at) WHERE item_id IS NOT NULL;
CREATE INDEX posting_recorded ON posting USING brin (recorded_at);

-- What was seen ------------------------------------------------------------------------------------------------------

CREATE TABLE gateway (
    gateway      text PRIMARY KEY,
    site_id      integer REFERENCES site,
    online       boolean NOT NULL DEFAULT false,
    config_hash  text,
    status       jsonb,
    status_at    timestamptz
);

CREATE TABLE ingest_cursor (
    gateway  text   NOT NULL,
    epoch    text   NOT NULL,
    through  bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (gateway, epoch)
);
COMMENT ON TABLE ingest_cursor IS 'Exactly once: a batch is applied under this row''s lock, and only beyond through.';

CREATE TABLE movement (
    recorded_at  timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    gateway      text     NOT NULL,
    epoch        text     NOT NULL,
    seq          bigint   NOT NULL,
    kind         text     NOT NULL,
    item_id      bigint   NOT NULL,
    site_id      integer  NOT NULL,
    zone_id      integer,
    portal_id    integer,
    direction    text,
    place_id     integer,
    decided_at   timestamptz NOT NULL,
    confidence   real     NOT NULL,
    detail       jsonb
) PARTITION BY RANGE (recorded_at);
COMMENT ON COLUMN movement.place_id IS
    'The zone this observation puts the item in, virtual ones included; null when it speaks of presence only.';
CREATE TABLE movement_rest PARTITION OF movement DEFAULT;
CREATE INDEX movement_item ON movement (item_id, observed_at);
CREATE INDEX movement_recent ON movement (recorded_at, gateway, epoch, seq);

CREATE TABLE scan (
    device       text   NOT NULL,
    scan_id      text   NOT NULL,
    recorded_at  timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    site_id      integer NOT NULL,
    gateway      text   NOT NULL,
    epoch        text   NOT NULL,
    seq          bigint NOT NULL,
    operator     text   NOT NULL,
    intent       text   NOT NULL,
    code         text   NOT NULL,
    zone         text,
    quantity     integer NOT NULL,
    lot          text,
    document     text,
    state        text   NOT NULL DEFAULT 'refused' CHECK (state IN ('applied', 'refused')),
    reason       text   NOT NULL DEFAULT '',
    -- what it says of an item: read again when the item's history is folded anew
    item_id      bigint,
    place_id     integer,
    leaves       boolean NOT NULL DEFAULT false,
    condition    text,
    PRIMARY KEY (device, scan_id)
);
CREATE INDEX scan_source ON scan (gateway, epoch, seq);
CREATE INDEX scan_item ON scan (item_id) WHERE item_id IS NOT NULL;

CREATE TABLE scan_repeat (
    gateway      text   NOT NULL,
    epoch        text   NOT NULL,
    seq          bigint NOT NULL,
    device       text   NOT NULL,
    scan_id      text   NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (gateway, epoch, seq)
);
COMMENT ON TABLE scan_repeat IS 'A scan that came again under another number: it changed nothing.';

CREATE TABLE reader_health (
    gateway      text NOT NULL,
    reader       text NOT NULL,
    state        text NOT NULL,
    detail       text NOT NULL DEFAULT '',
    observed_at  timestamptz NOT NULL,
    epoch        text   NOT NULL,
    seq          bigint NOT NULL,
    PRIMARY KEY (gateway, epoch, seq)
);

CREATE TABLE quarantine (
    quarantine_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at    timestamptz NOT NULL,
    site           text,
    gateway        text,
    epoch          text,
    seq            bigint,
    cause          text  NOT NULL,
    reason         text  NOT NULL,
    event          jsonb,
    raw            bytea,
    state          text  NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'dismissed')),
    settled_at     timestamptz
);
COMMENT ON COLUMN quarantine.cause IS 'Groups rows that one mend will settle, such as unknown_gtin:09506000134352.';
CREATE INDEX quarantine_open ON quarantine (cause) WHERE state = 'open';
CREATE INDEX quarantine_source ON quarantine (gateway, epoch, seq);

CREATE TABLE lost_range (
    gateway      text   NOT NULL,
    epoch        text   NOT NULL,
    from_seq     bigint NOT NULL,
    through_seq  bigint NOT NULL,
    reason       text   NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (gateway, epoch, from_seq)
);

-- What is told -------------------------------------------------------------------------------------------------------

CREATE TABLE alert (
    alert_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    key         text NOT NULL,
    site_id     integer REFERENCES site,
    detail      jsonb NOT NULL DEFAULT '{}',
    raised_at   timestamptz NOT NULL,
    cleared_at  timestamptz
);
CREATE UNIQUE INDEX alert_standing ON alert (kind, key) WHERE cleared_at IS NULL;

CREATE TABLE outbox (
    outbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid          xid8  NOT NULL DEFAULT pg_current_xact_id(),
    recorded_at  timestamptz NOT NULL,
    kind         text  NOT NULL,
    key          text  NOT NULL,
    payload      jsonb NOT NULL
);
COMMENT ON TABLE outbox IS
    'Every change of stock, written in the transaction that made it. Readers take rows with xid < pg_snapshot_xmin of '
    'their snapshot in (xid, outbox_id) order: nothing that commits late is passed over.';
CREATE INDEX outbox_order ON outbox (xid, outbox_id);
