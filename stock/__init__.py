"""The stock markets and their venues."""
