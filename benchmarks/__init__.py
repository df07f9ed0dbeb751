"""What is measured against what; results are printed, never asserted."""
