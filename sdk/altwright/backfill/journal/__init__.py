"""The journal of a run: one SQLite file with rows, results and what has been written."""
