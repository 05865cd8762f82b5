"""Venue-neutral rules of trading, and the thin process shells around them."""
