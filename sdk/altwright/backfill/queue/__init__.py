"""A backfill on many machines: rows on Celery, and the journal in the table's own database.

A message is a hint and holds nothing but a key; the truth is in the database. So a message that is
lost is sent again, and one that comes twice does nothing the second time.
"""
