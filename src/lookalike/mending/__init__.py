"""A look at an index that something happened to, and what mends it."""
