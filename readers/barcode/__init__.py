"""Barcode scanners: what a device sends becomes codes, and codes become scans with an operator and a purpose."""
