"""Altwright: one image URL in, one checked caption out."""

__version__ = "0.1.0"
