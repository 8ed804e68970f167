"""A run's settings as they were given: source, target, columns, styles and locales."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.run_state import RunIdentity


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A run's places as somebody named them. The journal keeps it, without the password."""

    source: str
    """A path, or a database's URL."""
    to: str = ""
    """The new file; empty: write-back into the table."""
    table: str = ""
    query: str = ""
    base: str = ""
    """A URL or a folder that stands before images that are relative."""
    encoding: str = ""
    chosen: tuple[str, ...] = ()
    """`ROLE=NAME` words."""
    styles: tuple[str, ...] = ("concise",)
    locales: tuple[str, ...] = ("en",)
    max_tokens: int | None = None

    @property
    def asked(self) -> CaptionOptions:
        """What is asked for each picture."""
        return CaptionOptions(self.styles, self.locales, self.max_tokens)

    @property
    def journal(self) -> Path:
        """Where its journal is, unless somebody says otherwise: beside what the run makes."""
        if self.to:
            return Path(f"{self.to}.journal")
        # A database has no folder: the one that the command runs in.
        bare = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.table or "query")
        return Path(f"altwright-{bare}.journal")

    @classmethod
    def of(cls, facts: RunIdentity, *, database_url: str = "") -> RunConfig:
        """From a journal; a database's password has to come with its URL, or from its driver."""
        data = dict(facts.settings)
        known = {each.name for each in fields(cls)}
        spec = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
                      if k in known})  # type: ignore[arg-type] # fmt: skip
        return replace(spec, source=database_url) if database_url else spec
