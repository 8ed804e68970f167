"""The synchronous client, generated from `_async` except for `backend`: sdk/unasync.py."""
