"""Numbers: figures over queries and pairs, their intervals, thresholds with a promise."""
