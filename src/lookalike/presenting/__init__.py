"""Plots, rows of pictures and pages: what people look at."""
