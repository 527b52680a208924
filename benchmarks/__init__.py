"""Comparisons of circuits with others; run them with ``make bench``."""
