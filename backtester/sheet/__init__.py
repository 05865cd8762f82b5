"""Tear-sheets: the figures of a stored run as numbers, as pictures, as one page and as a PDF (workstation 12)."""
