"""Checkers of captions that share neither code nor data with the product."""
