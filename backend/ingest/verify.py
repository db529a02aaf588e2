"""Does everything add up: the ledger, and every number of every gateway settled exactly once (`tallyman verify`)."""
