"""A look before training: what is there, what would go wrong, what mends it."""
