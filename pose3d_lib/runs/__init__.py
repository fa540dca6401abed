"""One run from beginning to end in its folder; many at a time in sweep."""
