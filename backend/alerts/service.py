"""Raise and clear alerts, in sets, inside the transaction that found the reason."""
