"""Blank alt texts of a whole catalogue, filled by an Altwright server, killed and resumed at will.

A source gives rows, the journal remembers what was asked and answered, a target takes what may be
written. The command is `altwright backfill`; docs/backfill.md says what it promises.
"""
