"""URL patterns by the WHATWG standard, matched in linear time."""
