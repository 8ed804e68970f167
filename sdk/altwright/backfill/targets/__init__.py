"""Targets of outcomes: a new file, or the table that the rows were read from."""
