"""Pictures that are there twice: found, explained, and put away where somebody says so."""
