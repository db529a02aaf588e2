-- Promises: what a site may still promise, and to whom it promised it (docs/adr/0011).
--
-- Balances by zone are signed and move all day long; promises live apart from them, by site, so that a move inside a
-- site touches none. The CHECK on availability is the last guard against overselling: no program can get round it.

CREATE TABLE availability (
    availability_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id          integer NOT NULL REFERENCES site,
    sku_id           integer NOT NULL REFERENCES sku,
    lot_id           integer NOT NULL REFERENCES lot,
    condition        text    NOT NULL,
    on_hand          bigint  NOT NULL DEFAULT 0,
    reserved         bigint  NOT NULL DEFAULT 0,
    UNIQUE (site_id, sku_id, lot_id, condition),
    CONSTRAINT never_oversold CHECK (reserved >= 0 AND reserved <= greatest(on_hand, 0))
) WITH (fillfactor = 50);
COMMENT ON COLUMN availability.on_hand IS
    'The sum of the balances of the site''s real zones: changed in the transaction that changes those.';
COMMENT ON COLUMN availability.reserved IS 'The sum of what its allocations hold.';
CREATE INDEX availability_sku ON availability (sku_id);

INSERT INTO availability (site_id, sku_id, lot_id, condition, on_hand)
SELECT balance.site_id, sku_id, lot_id, condition, sum(net)
FROM balance JOIN zone USING (zone_id)
WHERE zone.kind NOT IN ('supplier', 'customer', 'in_transit', 'scrap', 'count_difference', 'unknown')
GROUP BY balance.site_id, sku_id, lot_id, condition;

CREATE TABLE allocation (
    allocation_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    availability_id  bigint NOT NULL,
    holder_kind      text   NOT NULL CHECK (holder_kind IN ('order', 'transfer')),
    holder_id        bigint NOT NULL,
    granted          bigint NOT NULL CHECK (granted > 0),
    held             bigint NOT NULL,
    fulfilled        bigint NOT NULL DEFAULT 0 CHECK (fulfilled >= 0),
    released         bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    short            bigint NOT NULL DEFAULT 0 CHECK (short >= 0),
    made_at          timestamptz NOT NULL,
    CHECK (held >= 0 AND granted = held + fulfilled + released + short)
) WITH (fillfactor = 70);
COMMENT ON TABLE allocation IS
    'Units of one availability promised to a line of an order or a transfer. Verify checks the reference: a foreign key '
    'would lock the hot row once more for every promise.';
COMMENT ON COLUMN allocation.short IS 'Taken away by the physical world: what was promised is not there any more.';
CREATE INDEX allocation_holder ON allocation (holder_kind, holder_id);
CREATE INDEX allocation_held ON allocation (availability_id, allocation_id) WHERE held > 0;
