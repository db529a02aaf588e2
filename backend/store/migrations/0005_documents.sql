-- Documents: what goods are expected to cross a door, in which direction, and what did.
--
-- A document stands open at a door for a while; what a crossing means is decided by the document that was open there
-- when it was observed. Crossings outwards that no document explains wait as departures until a person settles them.

CREATE TABLE document (
    document_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text    NOT NULL UNIQUE,
    kind         text    NOT NULL CHECK (kind IN ('receipt', 'shipment', 'transfer', 'return')),
    site_id      integer NOT NULL REFERENCES site,
    to_site_id   integer REFERENCES site,
    order_id     bigint  REFERENCES sales_order,
    party        text    NOT NULL DEFAULT '',
    status       text    NOT NULL,
    promised_at  timestamptz,
    left_at      timestamptz,
    made_at      timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL,
    actor        text    NOT NULL,
    revision     integer NOT NULL DEFAULT 1,
    CHECK ((kind = 'transfer') = (to_site_id IS NOT NULL)),
    CHECK (order_id IS NULL OR kind = 'shipment'),
    CHECK (to_site_id IS DISTINCT FROM site_id)
);
COMMENT ON COLUMN document.site_id IS 'Where its goods come in (receipt, return) or leave (shipment, transfer).';
COMMENT ON COLUMN document.promised_at IS 'When the goods should have come to where they go: later, it is late.';
CREATE INDEX document_status ON document (kind, status);

CREATE TABLE document_line (
    line_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id  bigint  NOT NULL REFERENCES document,
    line_no      integer NOT NULL,
    sku_id       integer NOT NULL REFERENCES sku,
    lot_id       integer REFERENCES lot,
    expected     bigint  NOT NULL CHECK (expected >= 0),
    gone         bigint  NOT NULL DEFAULT 0 CHECK (gone >= 0),
    come         bigint  NOT NULL DEFAULT 0 CHECK (come >= 0),
    damaged      bigint  NOT NULL DEFAULT 0 CHECK (damaged >= 0),
    UNIQUE (document_id, line_no)
);
COMMENT ON COLUMN document_line.gone IS
    'Units without serial numbers that left; come, damaged: likewise. Things with a number are counted in document_item.';

CREATE TABLE document_item (
    document_id  bigint  NOT NULL REFERENCES document,
    item_id      bigint  NOT NULL,
    expected     boolean NOT NULL DEFAULT false,
    gone_at      timestamptz,
    come_at      timestamptz,
    PRIMARY KEY (document_id, item_id)
);
COMMENT ON TABLE document_item IS 'Things that a document announced (expected), that left under it, and that came.';
CREATE INDEX document_item_thing ON document_item (item_id);

CREATE TABLE door_opening (
    opening_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    portal_id    integer NOT NULL REFERENCES portal,
    document_id  bigint  NOT NULL REFERENCES document,
    opened_at    timestamptz NOT NULL,
    closed_at    timestamptz,
    actor        text    NOT NULL,
    CHECK (closed_at >= opened_at)
);
CREATE UNIQUE INDEX door_opening_standing ON door_opening (portal_id) WHERE closed_at IS NULL;
CREATE INDEX door_opening_time ON door_opening (portal_id, opened_at);

CREATE TABLE crossing_rule (
    site_id    integer NOT NULL REFERENCES site,
    direction  text    NOT NULL CHECK (direction IN ('in', 'out')),
    kind       text    NOT NULL DEFAULT '',
    place      text    NOT NULL,
    condition  text,
    PRIMARY KEY (site_id, direction, kind)
);
COMMENT ON TABLE crossing_rule IS
    'Where a site differs from backend/effects/crossing.py. kind: of the open document, empty for none.';

CREATE TABLE departure (
    gateway      text   NOT NULL,
    epoch        text   NOT NULL,
    seq          bigint NOT NULL,
    item_id      bigint NOT NULL,
    portal_id    integer NOT NULL,
    observed_at  timestamptz NOT NULL,
    settled_at   timestamptz,
    document_id  bigint REFERENCES document,
    reason       text   NOT NULL DEFAULT '',
    PRIMARY KEY (gateway, epoch, seq)
);
COMMENT ON TABLE departure IS 'Things that crossed outwards while no document at the door explained it.';
CREATE INDEX departure_open ON departure (portal_id, observed_at) WHERE settled_at IS NULL;

ALTER TABLE movement ADD COLUMN document_id bigint, ADD COLUMN condition text, ADD COLUMN origin_id integer;
COMMENT ON COLUMN movement.document_id IS
    'Open at the door when it was observed. With condition and origin_id: what the crossing meant.';

ALTER TABLE binding ALTER COLUMN sku_id DROP NOT NULL, ALTER COLUMN lot_id DROP NOT NULL, ALTER COLUMN quantity DROP NOT NULL;
COMMENT ON COLUMN binding.sku_id IS 'With lot and quantity: what the thing is; null where the document speaks of its place alone.';
