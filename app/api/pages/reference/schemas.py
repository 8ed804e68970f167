"""Schemas of the OpenAPI document as lists of fields."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.api.pages.reference.html import Html, element, inline, join

Schema = Mapping[str, Any]


def render_fields(schema: Schema, *, is_response: bool = False) -> Html:
    """Name, type and meaning of every field of an object. Responses have them all."""
    required = [] if is_response else schema.get("required", [])
    return element(
        "dl",
        *(
            join(
                element(
                    "dt",
                    element("code", name),
                    " ",
                    element("span", _describe_type(field), class_="detail"),
                    *(_note(field, is_required=name in required)),
                ),
                element("dd", *_explain(field)),
            )
            for name, field in schema["properties"].items()
        ),
        class_="fields",
    )


def render_parameters(parameters: list[Schema]) -> Html:
    """The parameters of query and header, as fields are."""
    properties = {
        each["name"]: {**each["schema"], "description": f"In the {each['in']}. {_meaning(each)}"}
        for each in parameters
    }
    required = [each["name"] for each in parameters if each.get("required")]
    return render_fields({"properties": properties, "required": required})


def inline_plain_schemas(document: Schema) -> Schema:
    """The document with each reference to a schema that is no object replaced by the schema."""
    schemas = document["components"]["schemas"]

    def resolve(value: object) -> object:
        if isinstance(value, Mapping):
            name = referenced_name(value)
            if name is not None and "properties" not in schemas[name]:
                return {**schemas[name], **{k: v for k, v in value.items() if k != "$ref"}}
            return {key: resolve(child) for key, child in value.items()}
        return [resolve(child) for child in value] if isinstance(value, list) else value

    return {name: resolve(part) for name, part in document.items()}


def schema_anchor(name: str) -> str:
    """The `id` of a schema's section."""
    return f"schema-{name}"


def referenced_name(schema: Schema) -> str | None:
    """The name of the schema that this one refers to."""
    reference: str = schema.get("$ref", "")
    return reference.rpartition("/")[2] or None


def find_references(value: object) -> Iterator[str]:
    """The names of all schemas that this part of the document refers to itself."""
    if isinstance(value, Mapping):
        name = referenced_name(value)
        if name is not None:
            yield name
        for child in value.values():
            yield from find_references(child)
    elif isinstance(value, list):
        for child in value:
            yield from find_references(child)


def _meaning(parameter: Schema) -> str:
    meaning: str = parameter.get("description") or parameter["schema"].get("description", "")
    return meaning


def _note(field: Schema, *, is_required: bool) -> Iterator[str]:
    if is_required:
        yield " "
        yield element("span", "required", class_="tag")
    elif field.get("default") is not None:
        yield " "
        default = json.dumps(field["default"], ensure_ascii=False)
        yield element("span", "· default ", element("code", default), class_="detail")


def _explain(field: Schema) -> Iterator[str]:
    yield inline(field.get("description", ""))
    codes = field.get("x-extensible-enum") or field.get("items", {}).get("x-extensible-enum")
    if codes:
        yield element("p", "Codes; later versions may add some: ", _list_values(codes))


def _describe_type(schema: Schema) -> Html:
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    name = referenced_name(schema)
    if alternatives:
        return _join_words([_describe_type(each) for each in alternatives], " or ")
    if name is not None:
        return element("a", name, href=f"#{schema_anchor(name)}")
    if "enum" in schema:
        return join("one of ", _list_values(schema["enum"]))
    if "const" in schema:
        return _list_values([schema["const"]])
    kind = schema.get("type")
    if kind == "array":
        items = _describe_type(schema.get("items", {}))
        return join("list of ", items, _limits(schema, "Items", "items").replace(", ", "; ", 1))
    if kind == "object":
        return _describe_object(schema)
    if kind == "string" and schema.get("format") == "binary":
        return Html("file")
    unit = "characters" if kind == "string" else ""
    limits = _limits(schema, "Length", unit) or _limits(schema, "imum", unit)
    form = f" ({schema['format']})" if "format" in schema else ""
    return join(f"{kind or 'any'}{form}{limits}")


def _describe_object(schema: Schema) -> Html:
    if "properties" in schema:
        return join("object of ", _list_values(list(schema["properties"])))
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and values:
        limits = _limits(schema, "Properties", "names").replace(", ", "; ", 1)
        return join("object with values ", _describe_type(values), limits)
    return Html("object")


def _limits(schema: Schema, suffix: str, unit: str) -> str:
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    unit = f" {unit}" if unit else ""
    if most is not None:
        return f", {least} to {most:,}{unit}" if least else f", up to {most:,}{unit}"
    return f", at least {least:,}{unit}" if least and least > 1 else ""


def _list_values(values: list[Any]) -> Html:
    return _join_words([element("code", str(value)) for value in values], ", ")


def _join_words(parts: list[Html], separator: str) -> Html:
    return Html(separator.join(parts))
