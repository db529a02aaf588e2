"""What exists: sites, zones, portals, SKUs, GTINs, lots."""
