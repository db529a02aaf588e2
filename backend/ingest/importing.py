"""One entry for every CSV import: sites, zones, portals, SKUs, receipts and opening stock."""
