"""Configuration of a run: source, target, columns, styles and locales, as given by the user."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.recorded_columns import COLUMNS
from altwright.backfill.run_state import RunIdentity

_STORED_NAMES = {"target_file": "to", "image_base": "base", "column_roles": "chosen",
                 "recorded_columns": COLUMNS}  # fmt: skip
"""Fields that journals store under another name."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run reads, writes and requests. The journal stores it without the password."""

    source: str
    """A path, or a database's URL."""
    target_file: str = ""
    """The new file; empty: write back into the table."""
    table: str = ""
    query: str = ""
    image_base: str = ""
    """A URL or a folder that is put before relative images."""
    encoding: str = ""
    column_roles: tuple[str, ...] = ()
    """`ROLE=NAME` each."""
    styles: tuple[str, ...] = ("concise",)
    locales: tuple[str, ...] = ("en",)
    max_tokens: int | None = None
    verify: bool | None = None
    """None leaves it to the server. Left out of journals then, as in older ones."""
    recorded_columns: tuple[str, ...] = ()
    """`ROLE=NAME` each: what the run has taken before; empty in a new command."""

    @property
    def caption_options(self) -> CaptionOptions:
        """What is requested for each image."""
        return CaptionOptions(self.styles, self.locales, self.max_tokens, self.verify)

    @property
    def default_journal(self) -> Path:
        """Path of the journal if none is named: beside the new file."""
        if self.target_file:
            return Path(f"{self.target_file}.journal")
        # A database has no folder: the working directory.
        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.table or "query")
        return Path(f"altwright-{name}.journal")

    def to_settings(self) -> dict[str, Any]:
        """As a journal stores it."""
        settings = {_STORED_NAMES.get(name, name): each for name, each in asdict(self).items()}
        if self.verify is None:
            del settings["verify"]
        if not self.recorded_columns:
            del settings[COLUMNS]
        return settings

    @classmethod
    def from_identity(cls, identity: RunIdentity, *, database_url: str = "") -> RunConfig:
        """From a journal. `database_url` replaces a stored URL, which has no password; it is not
        used for a run over files."""
        field_of = {_STORED_NAMES.get(name, name): name for name in cls.__dataclass_fields__}
        fields: dict[str, Any] = {
            field_of[name]: tuple(value) if isinstance(value, list) else value
            for name, value in identity.settings.items()
            if name in field_of
        }
        config = cls(**fields)
        is_database = "://" in config.source
        return replace(config, source=database_url) if database_url and is_database else config
