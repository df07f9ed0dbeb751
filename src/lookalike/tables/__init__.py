"""Tables of pictures: read, checked, split."""
