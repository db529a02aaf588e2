"""Sites, zones, portals and SKUs from CSV files, all of a file or none of it."""
