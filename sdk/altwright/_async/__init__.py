"""The asynchronous client. `_sync` is generated from it, except for `backend`: sdk/unasync.py."""
