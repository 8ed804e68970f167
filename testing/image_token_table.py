"""Two tables of docs/models.md: providers, and tokens and money for 10,000 pictures of each size.

    .venv/bin/python -m testing.image_token_table

prints them from app/captioning/providers/*.toml, to be pasted into the page.
"""

import json
import sys
from collections.abc import Iterator

from app.captioning.providers.provider import ImageTokens, Provider
from app.captioning.providers.registry import load_providers

SIZES = ((640, 480), (900, 675), (1200, 900), (1568, 1176), (2048, 1536))
"""Widths and heights; the third is the most that a model sees by default."""
PICTURES = 10_000


def rows() -> Iterator[tuple[Provider, str, ImageTokens]]:
    """Each statement about tokens, with its first model and those that have a price."""
    for provider in load_providers().values():
        for statement in provider.image_tokens:
            priced = [each.model for each in provider.prices if statement.is_about(each.model)]
            counted = [
                model
                for model in priced
                if next(one for one in provider.image_tokens if one.is_about(model)) is statement
            ]
            for model in counted or [", ".join(dict.fromkeys(
                name.removeprefix("models/") for name in statement.models))]:  # fmt: skip
                yield provider, model, statement


def render_table() -> str:
    """The table in markdown."""
    head = " | ".join(f"{width} x {height}" for width, height in SIZES)
    lines = [f"| provider | models | {head} |", "|---|---|" + "---:|" * len(SIZES)]
    for provider, model, statement in rows():
        listed = provider.price_of(model)
        cells = []
        for size in SIZES:
            tokens = statement.count.count(size)
            cell = f"{tokens:,}"
            if listed is not None:
                cell += f" ({listed.input_cost(tokens * PICTURES):.2f} {listed.price.currency})"
            cells.append(cell)
        name = f"[{provider.name}]({statement.source})"
        lines.append(f"| {name} | `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def render_provider_table() -> str:
    """What is known about each provider, in markdown."""
    lines = ["| provider | hosts | switches thinking off | of which models | pictures | prices |"]
    lines.append("|---|---|---|---|---|---|")
    for provider in load_providers().values():
        off = [each for each in provider.thinking if each.off is not None]
        switches = "; ".join(f"[`{json.dumps(each.off)}`]({each.source})" for each in off)
        models = "; ".join(", ".join(f"`{name}`" for name in each.models) for each in off)
        prices = "; ".join(
            f"[`{each.model}` {each.price.input} / {each.price.output} {each.price.currency}]"
            f"({each.source}), {each.read}"
            for each in provider.prices
        )
        limits = "; ".join(f"[{each.says}]({each.source})" for each in provider.image_limits)
        hosts = ", ".join(f"`{host}`" for host in provider.hosts)
        name = f"[{provider.name}]({provider.api.source})"
        lines.append(f"| {name} | {hosts} | {switches} | {models} | {limits} | {prices} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{render_provider_table()}\n\n{render_table()}\n")
