"""Panes over one time axis, and the items they paint."""
