"""Events to stock: one truth in PostgreSQL, a folder for each capability (docs/adr/0004, docs/adr/0005)."""
