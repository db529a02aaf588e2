"""What an observation does to a thing and to stock (pure)."""
