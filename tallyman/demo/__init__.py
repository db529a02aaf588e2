"""The demo: simulated warehouses through the whole chain, and the database against the ground truth at the end."""
