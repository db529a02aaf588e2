"""PostgreSQL and an MQTT broker without installing either (docs/adr/0006-embedded-stack.md)."""
