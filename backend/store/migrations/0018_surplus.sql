-- What came beyond what a document expected, and somebody took.

CREATE TABLE document_surplus (
    surplus_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id  bigint  NOT NULL REFERENCES document,
    sku_id       integer NOT NULL REFERENCES sku,
    lot_id       integer REFERENCES lot,
    units        bigint  NOT NULL CHECK (units > 0),
    reason       text    NOT NULL,
    actor        text    NOT NULL,
    accepted_at  timestamptz NOT NULL
);
COMMENT ON TABLE document_surplus IS 'Units that nobody had announced, accepted with a reason: they are no worry any more.';
COMMENT ON COLUMN document_surplus.lot_id IS 'Of the line that it came on; null where that line is of any lot.';
CREATE INDEX document_surplus_document ON document_surplus (document_id);
