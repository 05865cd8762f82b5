"""Derived factors, one idea a file; see docs/adding-a-factor.md."""
