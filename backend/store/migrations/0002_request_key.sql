-- Answers to requests that change something, by the key their caller made: a repeat gets the first answer again.

CREATE TABLE request_key (
    actor    text        NOT NULL,
    key      text        NOT NULL,
    digest   bytea       NOT NULL,
    status   smallint    NOT NULL,
    answer   text        NOT NULL,
    made_at  timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);
COMMENT ON TABLE request_key IS
    'Written in the transaction that made the change: either both are there or neither. Kept for a while, then swept.';
CREATE INDEX request_key_age ON request_key (made_at);
