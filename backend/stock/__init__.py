"""Where everything is, and how much of it."""
