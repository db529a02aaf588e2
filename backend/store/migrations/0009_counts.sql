-- Counts: what somebody found in a site's zones, what the ledger said at those very instants, and what became of the rest.
--
-- Reading order: how a site counts (count_rule) · a count and its rounds (stock_count, count_round, count_recount) · what was
-- found (count_pass, count_read, count_word; scans with intent `count` stand in scan) · what came of it (count_line,
-- count_thing).

CREATE TABLE count_rule (
    site_id                integer PRIMARY KEY REFERENCES site,
    a_days                 integer NOT NULL CHECK (a_days > 0),
    b_days                 integer NOT NULL CHECK (b_days > 0),
    c_days                 integer NOT NULL CHECK (c_days > 0),
    daily_lines            integer NOT NULL CHECK (daily_lines > 0),
    tolerance_units        bigint  NOT NULL CHECK (tolerance_units >= 0),
    tolerance_value        numeric(20, 4) NOT NULL CHECK (tolerance_value >= 0)
);
COMMENT ON TABLE count_rule IS 'How a site counts, where it differs from backend/counts/model.py.';

CREATE TABLE stock_count (
    count_id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code                   text    NOT NULL UNIQUE,
    site_id                integer NOT NULL REFERENCES site,
    subject                text    NOT NULL CHECK (subject IN ('things', 'units', 'both')),
    zone_ids               integer[] NOT NULL CHECK (cardinality(zone_ids) > 0),
    sku_ids                integer[],
    blind                  boolean NOT NULL,
    status                 text    NOT NULL CHECK (status IN ('open', 'closed', 'approved', 'cancelled')),
    tolerance_units        bigint  NOT NULL CHECK (tolerance_units >= 0),
    tolerance_value        numeric(20, 4) NOT NULL CHECK (tolerance_value >= 0),
    made_at                timestamptz NOT NULL,
    changed_at             timestamptz NOT NULL,
    actor                  text    NOT NULL,
    approved_at            timestamptz,
    approved_by            text,
    revision               integer NOT NULL DEFAULT 1,
    CHECK ((status = 'approved') = (approved_at IS NOT NULL)),
    CHECK ((approved_at IS NULL) = (approved_by IS NULL))
);
COMMENT ON COLUMN stock_count.sku_ids IS 'The only SKUs that are counted; null: all.';
COMMENT ON COLUMN stock_count.blind IS 'Whoever counts is not shown what is expected.';
CREATE INDEX stock_count_site ON stock_count (site_id, status);

CREATE TABLE count_round (
    count_id   bigint  NOT NULL REFERENCES stock_count,
    round      integer NOT NULL CHECK (round > 0),
    opened_at  timestamptz NOT NULL,
    closed_at  timestamptz,
    closed_by  text,
    PRIMARY KEY (count_id, round)
);
COMMENT ON TABLE count_round IS 'The first count and each recount: what was found belongs to the round of its instant.';

CREATE TABLE count_recount (
    count_id  bigint  NOT NULL REFERENCES stock_count,
    round     integer NOT NULL,
    zone_id   integer NOT NULL,
    sku_id    integer NOT NULL,
    PRIMARY KEY (count_id, zone_id, sku_id, round)
);
COMMENT ON TABLE count_recount IS 'What a later round counts anew: there only its own finds count.';

CREATE TABLE count_pass (
    pass_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    count_id     bigint  NOT NULL REFERENCES stock_count,
    zone_id      integer NOT NULL,
    subject      text    NOT NULL CHECK (subject IN ('things', 'units')),
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz NOT NULL,
    operator     text    NOT NULL,
    actor        text    NOT NULL,
    recorded_at  timestamptz NOT NULL,
    CHECK (ended_at >= started_at)
);
COMMENT ON COLUMN count_pass.operator IS 'Who counted; actor: who sent it.';
CREATE INDEX count_pass_count ON count_pass (count_id);

CREATE TABLE count_read (
    count_id  bigint  NOT NULL REFERENCES stock_count,
    zone_id   integer NOT NULL,
    at        timestamptz NOT NULL,
    epc       bytea   NOT NULL,
    item_id   bigint,
    reason    text    NOT NULL DEFAULT '',
    PRIMARY KEY (count_id, epc, at, zone_id)
);
COMMENT ON COLUMN count_read.reason IS 'Why the tag names nothing that is counted, where it does not.';
CREATE INDEX count_read_item ON count_read (item_id, at) WHERE item_id IS NOT NULL;

CREATE TABLE count_word (
    count_id   bigint  NOT NULL REFERENCES stock_count,
    zone_id    integer NOT NULL,
    sku_id     integer NOT NULL,
    lot_id     integer,
    condition  text    NOT NULL,
    spot       text    NOT NULL,
    at         timestamptz NOT NULL,
    quantity   bigint  NOT NULL CHECK (quantity >= 0),
    UNIQUE NULLS NOT DISTINCT (count_id, zone_id, sku_id, lot_id, condition, spot, at)
);
COMMENT ON COLUMN count_word.lot_id IS 'Null: whoever counted did not look at the lot.';
COMMENT ON COLUMN count_word.spot IS 'Where in the zone; of two words on the same spot the newer counts, spots add up.';

CREATE TABLE count_line (
    count_id        bigint  NOT NULL REFERENCES stock_count,
    zone_id         integer NOT NULL,
    sku_id          integer NOT NULL,
    lot_id          integer NOT NULL,
    condition       text    NOT NULL,
    subject         text    NOT NULL,
    expected_least  bigint  NOT NULL,
    expected_most   bigint  NOT NULL CHECK (expected_most >= expected_least),
    counted         bigint  NOT NULL CHECK (counted >= 0),
    difference      bigint  NOT NULL GENERATED ALWAYS AS (
                        counted - least(greatest(counted, expected_least), expected_most)) STORED,
    PRIMARY KEY (count_id, zone_id, sku_id, lot_id, condition, subject)
);
COMMENT ON TABLE count_line IS 'What was expected and counted, as of the newest look: at the close, and again at the approval.';
COMMENT ON COLUMN count_line.expected_least IS
    'Least and most differ only where units moved between the first and the last word on them.';
CREATE INDEX count_line_cell ON count_line (zone_id, sku_id, count_id);

CREATE TABLE count_thing (
    count_id      bigint  NOT NULL REFERENCES stock_count,
    item_id       bigint  NOT NULL,
    finding       text    NOT NULL CHECK (finding IN ('missing', 'found')),
    zone_id       integer NOT NULL,
    from_zone_id  integer,
    at            timestamptz NOT NULL,
    PRIMARY KEY (count_id, item_id)
);
COMMENT ON COLUMN count_thing.zone_id IS 'Where it should have been seen, or was found; from_zone_id: where the ledger had it.';

CREATE INDEX scan_count ON scan (document) WHERE intent = 'count';
