"""Fitting the portal model on recordings whose crossings are known."""
