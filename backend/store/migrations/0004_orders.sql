-- Channels and their rules, lanes, orders with their lines, and the status that keeps a lot from being sold.

ALTER TABLE lot ADD COLUMN status text NOT NULL DEFAULT 'released' CHECK (status IN ('released', 'held', 'recalled'));
COMMENT ON COLUMN lot.status IS 'Only a released lot is promised to anybody.';

CREATE TABLE channel (
    channel_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text    NOT NULL UNIQUE,
    name        text    NOT NULL DEFAULT '',
    kind        text    NOT NULL CHECK (kind IN ('website', 'marketplace', 'social', 'store', 'wholesale')),
    priority    integer NOT NULL DEFAULT 100,
    open        boolean NOT NULL DEFAULT true,
    revision    integer NOT NULL DEFAULT 1
);
COMMENT ON COLUMN channel.priority IS 'Who is served first when back-orders can be filled: the lowest number.';

CREATE TABLE channel_rule (
    rule_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id  integer NOT NULL REFERENCES channel ON DELETE CASCADE,
    site_id     integer REFERENCES site,
    sku_id      integer REFERENCES sku,
    sells       boolean NOT NULL DEFAULT true,
    buffer      bigint  NOT NULL DEFAULT 0 CHECK (buffer >= 0),
    protected   bigint  NOT NULL DEFAULT 0 CHECK (protected >= 0),
    UNIQUE NULLS NOT DISTINCT (channel_id, site_id, sku_id)
);
COMMENT ON TABLE channel_rule IS 'The most specific rule of a channel counts alone: SKU at a site, SKU, site, all.';
COMMENT ON COLUMN channel_rule.buffer IS 'Units of each SKU at each site that this channel leaves alone.';
COMMENT ON COLUMN channel_rule.protected IS 'Units of each SKU at each site that other channels leave to this one.';

CREATE TABLE lane (
    site_id  integer NOT NULL REFERENCES site,
    region   text    NOT NULL,
    cost     integer NOT NULL CHECK (cost >= 0),
    days     integer NOT NULL CHECK (days >= 0),
    PRIMARY KEY (site_id, region)
);
COMMENT ON TABLE lane IS 'What it costs, in whatever unit the company counts in, to serve a region from a site.';

CREATE TABLE sales_order (
    order_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text    NOT NULL UNIQUE,
    channel_id  integer NOT NULL REFERENCES channel,
    region      text    NOT NULL DEFAULT '',
    status      text    NOT NULL CHECK (status IN ('reserved', 'confirmed', 'picking', 'packed', 'shipped', 'cancelled',
                                                   'expired')),
    site_ids    integer[],
    backorder   boolean NOT NULL,
    most_sites  integer NOT NULL CHECK (most_sites > 0),
    expires_at  timestamptz,
    placed_at   timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    actor       text    NOT NULL,
    digest      bytea   NOT NULL,
    revision    integer NOT NULL DEFAULT 1
) WITH (fillfactor = 70);
COMMENT ON COLUMN sales_order.site_ids IS 'The only sites that may serve it; null: any.';
COMMENT ON COLUMN sales_order.digest IS 'Of what was asked for: the same code with another order is refused.';
CREATE INDEX sales_order_expiry ON sales_order (expires_at) WHERE status = 'reserved';

CREATE TABLE order_line (
    line_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id       bigint  NOT NULL REFERENCES sales_order,
    line_no        integer NOT NULL,
    sku_id         integer NOT NULL REFERENCES sku,
    quantity       bigint  NOT NULL CHECK (quantity > 0),
    waiting        bigint  NOT NULL DEFAULT 0 CHECK (waiting >= 0 AND waiting <= quantity),
    picked         bigint  NOT NULL DEFAULT 0 CHECK (picked >= 0),
    least_days     integer NOT NULL DEFAULT 0 CHECK (least_days >= 0),
    UNIQUE (order_id, line_no)
) WITH (fillfactor = 70);
COMMENT ON COLUMN order_line.waiting IS 'Back-ordered: wanted and not promised yet. It is filled when stock comes.';
COMMENT ON COLUMN order_line.least_days IS 'The lot must live this many days more on the day it is promised.';
CREATE INDEX order_line_waiting ON order_line (sku_id) WHERE waiting > 0;
