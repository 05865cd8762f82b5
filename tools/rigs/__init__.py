"""Rigs: long proofs of the whole line, run by hand, in short form by the tests."""
