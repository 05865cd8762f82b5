"""The window: it watches and asks; nothing here trades."""
