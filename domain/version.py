"""The product's version; the only place that spells it."""

VERSION = "0.1.0"
