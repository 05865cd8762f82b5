"""The words: stdlib, numpy and msgspec; no I/O, no clock, no logging."""
