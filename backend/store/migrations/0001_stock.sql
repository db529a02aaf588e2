-- Sites, catalog, items, ledger, ingest and outbox: everything the main job stands on.
--
-- Reading order: who and what (site, zone, portal, sku, lot) · things (item) · the ledger (balance, posting) ·
-- what was seen (ingest_cursor, movement, scan, quarantine) · what is told (alert, outbox).
-- Business time is written by the application from its injected clock; no column defaults to now().

CREATE TABLE store (
    store_id   uuid        NOT NULL,
    made_at    timestamptz NOT NULL,
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row)
);
COMMENT ON TABLE store IS 'The identity that acknowledgements carry. Renewed when a database is restored or promoted.';

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
    epc            bytea   NOT NULL UNIQUE,
    kind           text    NOT NULL CHECK (kind IN ('sgtin', 'sscc', 'grai', 'giai')),
    sku_id         integer REFERENCES sku,
    lot_id         integer REFERENCES lot,
    quantity       integer NOT NULL DEFAULT 1 CHECK (quantity > 0),
    condition      text    NOT NULL DEFAULT 'sellable',
    parent_id      bigint  REFERENCES item,
    origin_zone_id integer NOT NULL REFERENCES zone,
    document       text,
    -- the place, decided by the newest observation (observed_at, gateway, epoch, seq)
    zone_id        integer NOT NULL REFERENCES zone,
    observed_at    timestamptz,
    gateway        text,
    epoch          text,
    seq            bigint,
    left_at        timestamptz,
    -- presence, which never moves stock
    seen_at        timestamptz,
    present        boolean NOT NULL DEFAULT false,
    CHECK ((kind = 'sgtin') = (sku_id IS NOT NULL)),
    CHECK ((sku_id IS NULL) = (lot_id IS NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN item.origin_zone_id IS
    'Where its stock came from at its first observation: the supplier when a document announced it, else unknown.';
COMMENT ON COLUMN item.left_at IS 'When it crossed out, while that crossing still decides its place.';
CREATE INDEX item_sku ON item (sku_id);

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
CREATE INDEX movement_source ON movement (gateway, epoch, seq);
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
    item_id      bigint,
    state        text   NOT NULL CHECK (state IN ('applied', 'refused')),
    reason       text   NOT NULL DEFAULT '',
    PRIMARY KEY (device, scan_id)
);
CREATE INDEX scan_source ON scan (gateway, epoch, seq);

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
