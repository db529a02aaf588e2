"""Documents: receipts, shipments, transfers and returns; the doors they stand open at, and what crossed under them."""
