"""The only room that knows torch: from labelled pictures to an exported model."""
