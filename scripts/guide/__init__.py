"""Builds the guide, the documentation as web pages, from README.md and docs/."""
