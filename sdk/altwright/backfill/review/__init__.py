"""Review of a backfill: one HTML page to edit and approve texts, and the decisions it saves."""
