"""Measurements: what, unit, budget and why; each prints JSON."""
