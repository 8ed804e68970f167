"""Check images on web pages with axe-core, so that before and after a backfill can be compared."""
