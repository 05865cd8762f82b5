"""Programs for the work tree itself: set-up, checks, diagnosis. Nothing here is imported by a package of the product."""
