"""A backfill on many machines: rows as Celery messages, the journal in the table's own database.

A message holds only the key of a row; all state is in the database. A message that is lost is sent
again, and one that is delivered twice does nothing the second time.
"""
