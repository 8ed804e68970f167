"""Rules about what may be written: outcomes of results, and rows that are held for review."""
