"""Where rows come from: files, a folder, a table. Each is read in a stream, never as a whole."""

from altwright.backfill.sources.source import Broken, Record, Source, SourceBroke, read

__all__ = ["Broken", "Record", "Source", "SourceBroke", "read"]
