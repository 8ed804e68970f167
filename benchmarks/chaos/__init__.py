"""Chaos test: one good caller beside each of many attacks on a real server."""
