"""The coin markets and their venues."""
