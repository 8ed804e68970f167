"""Random histories of a backfill, and an oracle that shares no code with the product."""
