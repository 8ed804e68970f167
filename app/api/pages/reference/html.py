"""HTML as text: elements whose children and attributes are escaped."""

import re
from html import escape


class Html(str):
    """Markup, which is not escaped again."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str) -> Html:
    """An element. Text is escaped; `class_` is the attribute `class`, `data_x` is `data-x`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """The children one after the other."""
    return Html("".join(c if isinstance(c, Html) else escape(c, quote=False) for c in children))


def inline(text: str) -> Html:
    """Text of the OpenAPI document, in which backticks mark code."""
    parts = re.split(r"(`+)(.+?)\1", " ".join(text.split()))
    return join(
        *(
            element("code", part) if index % 3 == 2 else "" if index % 3 == 1 else part
            for index, part in enumerate(parts)
        )
    )


def paragraphs(text: str) -> Html:
    """Text of several paragraphs, with blank lines between them."""
    return join(*(element("p", inline(part)) for part in re.split(r"\n\s*\n", text) if part))
