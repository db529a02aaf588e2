-- What fell short is looked for every second, among all that was ever promised.

CREATE INDEX allocation_short ON allocation (holder_kind, holder_id) WHERE short > 0;
