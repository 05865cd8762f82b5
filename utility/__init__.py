"""Tools that know no market; one idea a file."""
