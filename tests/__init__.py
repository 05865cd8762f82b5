"""The tests, a package so that helpers are imported from here and not from a library of the same name."""
