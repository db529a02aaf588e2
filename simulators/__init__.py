"""Worlds and devices that are not there, with the ground truth of where everything is."""
