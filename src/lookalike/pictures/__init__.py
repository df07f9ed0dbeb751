"""Pictures: found, opened, their colours put right, made a network's pixels."""
