"""What an index keeps, brought up to date and searched."""
