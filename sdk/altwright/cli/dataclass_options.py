"""Commands whose options are the fields of a dataclass."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Options = TypeVar("Options")


def takes_options(
    options_class: type[Options],
) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Make a Typer command of a function that takes one dataclass, with one option per field.

    A field's annotation is `Annotated[type, typer.Option(...)]`, as a parameter's would be.
    """
    hints = get_type_hints(options_class, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=(
                inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            ),
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(options_class)  # type: ignore[arg-type]
    ]

    def decorate(function: Callable[[Options], None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**values: Any) -> None:  # noqa: ANN401 - of any type, checked by Typer
            function(options_class(**values))

        # Typer reads both to find the options.
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = hints
        return command

    return decorate
