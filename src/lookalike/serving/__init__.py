"""The index over HTTP: questions, the collection, reviews and the page. Needs `lookalike[serve]`."""
