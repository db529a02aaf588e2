"""One entry for every CSV import: catalog, receipts and opening stock."""
