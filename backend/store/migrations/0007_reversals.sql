-- Reversals: a scan, a movement or a posting that was wrong is taken back by postings of its own, with a reason.

CREATE TABLE reversal (
    reversal_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reversed_at  timestamptz NOT NULL,
    gateway      text,
    epoch        text,
    seq          bigint,
    posting_id   bigint,
    reason       text NOT NULL,
    actor        text NOT NULL,
    CHECK ((posting_id IS NULL) <> (seq IS NULL)),
    UNIQUE (gateway, epoch, seq),
    UNIQUE (posting_id)
);
COMMENT ON TABLE reversal IS
    'What a person took back. An event named here is left out when the histories of its things are folded; a posting named '
    'here has one that gives back what it took.';
CREATE INDEX posting_reverses ON posting (reverses_id) WHERE reverses_id IS NOT NULL;
