"""The command line: one file per family of commands; arguments in, JSON out."""
