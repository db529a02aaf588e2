"""Returns and damage: goods that came back or broke are looked at, and each gets its disposition."""
