"""The model folder, what it runs, and why two pictures are alike to it."""
