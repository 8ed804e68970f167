"""Backfill: fills the blank alt texts of a file, a folder of images or a database table.

A source gives records, the journal stores what was requested and received, a target is written. A
run can be killed at any moment and resumed. The command is `altwright backfill`; its promises are
in docs/backfill.md.
"""
