"""Counts: what somebody found in the zones of a site, held against the ledger at the very instants of the finds."""
