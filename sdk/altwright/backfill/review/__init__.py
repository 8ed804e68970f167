"""One HTML file in which a person looks at what a backfill made, edits and approves it."""
