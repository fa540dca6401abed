"""Which runs answer the question; statistics, claims, tidy tables."""
