"""Requests in curl, Python and JavaScript, made from an operation of the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BASE_URL = "http://127.0.0.1:8000"
"""Of the server, in every sample; the page replaces it with its own."""
FILE = "mug.jpg"
"""The image that samples send."""
_SHOWN_FIELDS = ("image_url", "caption", "style", "styles", "locales", "context")
"""What of the example in the document is shown; the rest stands in the list of fields."""
_LONG_CHARS = 70


@dataclass(frozen=True, slots=True)
class Sample:
    """One program that sends a request and prints the response."""

    title: str
    language: str
    """`sh`, `python` or `js`."""
    code: str


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    fields: Mapping[str, Any]
    """Of the body; empty for GET."""
    has_file: bool
    answers_json: bool
    needs_key: bool


def render_samples(
    path: str, method: str, operation: Mapping[str, Any], *, needs_key: bool
) -> Iterator[Sample]:
    """The samples of an operation: with a file where it is about an image, else with JSON."""
    content = operation.get("requestBody", {}).get("content", {})
    form = _example(content.get("multipart/form-data", {}))
    has_file = path.startswith("/v1/image/")
    call = _Call(
        method=method.upper(),
        url=BASE_URL + path,
        fields={name: form[name] for name in _SHOWN_FIELDS if name in form},
        has_file=has_file,
        answers_json="application/json" in operation["responses"]["200"].get("content", {}),
        needs_key=needs_key and any(operation.get("security", [])),
    )
    yield Sample("curl", "sh", _curl(call))
    if has_file:
        example = _example(content["application/json"])
        fields = {name: example[name] for name in _SHOWN_FIELDS if name in example}
        with_url = _Call(call.method, call.url, fields, False, True, call.needs_key)
        yield Sample("curl, with a URL", "sh", _curl(with_url))
    yield Sample("Python", "python", _python(call))
    yield Sample("JavaScript", "js", _javascript(call))


def _example(media: Mapping[str, Any]) -> dict[str, Any]:
    examples = list(media.get("examples", {}).values())
    return dict(examples[-1]["value"]) if examples else {}


def _curl(call: _Call) -> str:
    parts = ["curl"]
    if call.needs_key:
        parts.append('-H "Authorization: Bearer $ALTWRIGHT_API_KEY"')
    if call.has_file:
        parts.append(f"-F image=@{FILE}")
        parts += [f"-F {_quote(f'{name}={value}')}" for name, value in _form_items(call)]
    elif call.fields:
        parts.append("-H 'Content-Type: application/json'")
        parts.append(f"-d {_quote(json.dumps(call.fields, ensure_ascii=False))}")
    parts.append(call.url)
    one_line = " ".join(parts)
    if len(one_line) <= _LONG_CHARS:
        return one_line
    return f"{parts[0]} " + " \\\n  ".join(parts[1:])


def _python(call: _Call) -> str:
    arguments = [f'"{call.url}",']
    if call.needs_key:
        arguments.append(
            'headers={"Authorization": f"Bearer {os.environ[\'ALTWRIGHT_API_KEY\']}"},'
        )
    if call.has_file:
        arguments.append('files={"image": image},')
        arguments.append(f"data={_python_literal(call.fields)},")
    elif call.fields:
        arguments.append(f"json={_python_literal(call.fields)},")
    arguments.append("timeout=35,")
    indent = "    " if call.has_file else ""
    lines = [
        *(["import os", ""] if call.needs_key else []),
        "import httpx",
        "",
        *([f'with open("{FILE}", "rb") as image:'] if call.has_file else []),
        f"{indent}response = httpx.{call.method.lower()}(",
        *(f"{indent}    {argument}" for argument in arguments),
        f"{indent})",
        f"print(response.{'json()' if call.answers_json else 'text'})",
    ]
    return "\n".join(lines)


def _python_literal(fields: Mapping[str, Any]) -> str:
    """JSON without true, false and null is a Python literal."""
    return json.dumps(fields, ensure_ascii=False)


def _javascript(call: _Call) -> str:
    lines: list[str] = []
    options: list[str] = []
    headers: list[str] = []
    if call.needs_key:
        headers.append("Authorization: `Bearer ${process.env.ALTWRIGHT_API_KEY}`")
    if call.method != "GET":
        options.append(f'method: "{call.method}",')
    if call.has_file:
        lines += [
            'import { openAsBlob } from "node:fs";',
            "",
            "const body = new FormData();",
            f'body.append("image", await openAsBlob("{FILE}"), "{FILE}");',
            *(f'body.append("{name}", {json.dumps(value)});' for name, value in _form_items(call)),
        ]
        options.append("body,")
    elif call.fields:
        headers.append('"Content-Type": "application/json"')
        options.append(f"body: JSON.stringify({json.dumps(call.fields, ensure_ascii=False)}),")
    if headers:
        options.insert(len(options) - 1 if call.method != "GET" else 0,
                       f"headers: {{ {', '.join(headers)} }},")  # fmt: skip
    if options:
        lines += [f'const response = await fetch("{call.url}", {{']
        lines += [f"  {option}" for option in options]
        lines += ["});"]
    else:
        lines += [f'const response = await fetch("{call.url}");']
    lines.append(f"console.log(await response.{'json' if call.answers_json else 'text'}());")
    return "\n".join(lines)


def _form_items(call: _Call) -> Iterator[tuple[str, str]]:
    """Lists are repeated fields."""
    for name, value in call.fields.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, str(item)


def _quote(text: str) -> str:
    """For a POSIX shell, quoted only where it is necessary."""
    is_plain = all(character.isalnum() or character in "=_.,:/-" for character in text)
    return text if is_plain else "'" + text.replace("'", "'\\''") + "'"
