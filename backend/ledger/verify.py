"""Proof that balances, places and cursors follow from the postings and events (`tallyman verify`)."""
