"""The database: its pool, its schema, its identity, and SQL by name."""
