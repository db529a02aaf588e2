"""The ledger: double-entry postings, the balances they add up to, and the proof that they do."""
