"""Quoted text in a caption: usually text that is visible in the picture."""

import re

_QUOTED = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|„[^“”\n]{1,300}[“”]|«[^»\n]{1,300}»|»[^«\n]{1,300}«"
    r"|「[^」\n]{1,300}」|『[^』\n]{1,300}』|‘[^’\n]{1,300}’|(?<!\w)'[^'\n]{1,300}'(?!\w)"
)


def strip_quoted_text(text: str) -> str:
    """The text without its quotations, whose words and language are not the caption's own."""
    return _QUOTED.sub(" ", text)
