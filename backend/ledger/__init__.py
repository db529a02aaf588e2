"""The double-entry ledger: postings, and balances as what they add up to."""
