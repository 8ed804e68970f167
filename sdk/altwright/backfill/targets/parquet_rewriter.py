"""Parquet rewriter: a Parquet file with set cells, and everything else as it was.

Kept: the schema with its metadata, types and nullability, the row groups, and for each column its
compression, dictionary and statistics. Not kept, because pyarrow cannot: the name of the program
that wrote it, the division into pages, and Bloom filters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from altwright.backfill.sources.base import Record
from altwright.backfill.sources.parquet_file import AUDIT_MARKER, ParquetSource, batch_to_dicts
from altwright.errors import UsageError

_BATCH_ROWS = 1_000
_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4", "LZ4_HADOOP": "LZ4", "LZO": "SNAPPY"}
"""What pyarrow calls a codec, where it has another name or cannot write it."""

CellsOf = Callable[[Sequence[Record]], Sequence[Mapping[str, str]]]
"""The cells to set, for some records."""


def check_text_columns(source: ParquetSource, names: Sequence[str]) -> None:
    """Raise UsageError if a column that will be set has a type that takes no text."""
    import pyarrow as pa

    for name in names:
        if name in source.columns and _text_type(pa, source.schema.field(name).type) is None:
            raise UsageError(
                f"The column {name!r} has the type {source.schema.field(name).type} and takes no "
                "text: name another one with --column."
            )


def rewrite_parquet(
    source: ParquetSource, path: Path, set_columns: Sequence[str], cells_of: CellsOf
) -> str:
    """Write the new file. Returns a digest of the set columns, for `verify_parquet`."""
    import pyarrow as pa
    import pyarrow.parquet

    digest = hashlib.sha256()
    schema = _new_schema(pa, source, set_columns)
    number = 0
    with source.open() as file, pyarrow.parquet.ParquetWriter(
        path, schema, **_properties(file, set_columns)
    ) as writer:  # fmt: skip
        for index in range(file.num_row_groups):
            table = file.read_row_group(index)
            chunks: dict[str, list[Any]] = {name: [] for name in set_columns}
            for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
                records = [
                    Record(number + place, values)
                    for place, values in enumerate(batch_to_dicts(batch), 1)
                ]
                number += len(records)
                cells = cells_of(records)
                for name in set_columns:
                    chunks[name].append(_set_cells(pa, batch, schema.field(name), cells))
            arrays = [
                pa.chunked_array(chunks[field.name], field.type)
                if field.name in chunks
                else table.column(field.name)
                for field in schema
            ]
            new = pa.Table.from_arrays(arrays, schema=schema)
            _add_to_digest(digest, new.select(list(set_columns)))
            writer.write_table(new, row_group_size=max(1, new.num_rows))
    return digest.hexdigest()


def verify_parquet(
    source: ParquetSource, path: Path, set_columns: Sequence[str], digest: str
) -> str:
    """What is wrong with a rewritten file, read back; empty if nothing is."""
    found = hashlib.sha256()
    with source.open() as before, ParquetSource(path).open() as after:
        if before.num_row_groups != after.num_row_groups:
            return "it has other row groups"
        kept = [name for name in source.columns if name not in set_columns]
        for index in range(before.num_row_groups):
            old, new = before.read_row_group(index, kept), after.read_row_group(index)
            for name in kept:
                if old.schema.field(name).type != new.schema.field(name).type:
                    return f"the column {name!r} has another type"
                if not _are_equal(old.column(name), new.column(name)):
                    return f"the column {name!r} has other values"
            _add_to_digest(found, new.select(list(set_columns)))
    return "" if found.hexdigest() == digest else "its texts are not those that were written"


def _new_schema(pa: Any, source: ParquetSource, set_columns: Sequence[str]) -> Any:  # noqa: ANN401
    schema = source.schema
    for name in set_columns:
        if name in source.columns:
            index = schema.get_field_index(name)
            field = schema.field(index)
            schema = schema.set(index, field.with_type(_text_type(pa, field.type)))
        else:
            schema = schema.append(pa.field(name, pa.string(), metadata=AUDIT_MARKER))
    return schema


def _text_type(pa: Any, found: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The type of a column once texts are set in it; None if it takes none."""
    types = pa.types
    if types.is_null(found):
        return pa.string()
    if types.is_dictionary(found):
        value = _text_type(pa, found.value_type)
        # A small index has no room for new texts. In the file both are the same.
        return None if value is None else pa.dictionary(pa.int32(), value, found.ordered)
    is_text = (
        types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)
        or types.is_binary(found) or types.is_large_binary(found) or types.is_binary_view(found)
    )  # fmt: skip
    return found if is_text else None


def _set_cells(pa: Any, batch: Any, field: Any, cells: Sequence[Mapping[str, str]]) -> Any:  # noqa: ANN401
    import pyarrow.compute as pc

    is_dictionary = pa.types.is_dictionary(field.type)
    plain = field.type.value_type if is_dictionary else field.type
    texts = [each.get(field.name) for each in cells]
    # pyarrow cannot choose between views.
    is_view = pa.types.is_string_view(plain) or pa.types.is_binary_view(plain)
    wide = pa.large_binary() if is_view else plain
    new = pa.array([None if t is None else t.encode() for t in texts], pa.binary()).cast(wide)
    if field.name not in batch.schema.names:
        return new.cast(plain)
    old = batch.column(field.name)
    if is_dictionary:
        old = old.dictionary_decode() if pa.types.is_dictionary(old.type) else old
    is_set = pa.array([text is not None for text in texts], pa.bool_())
    found = pc.if_else(is_set, new, old.cast(wide)).cast(plain)
    return found.dictionary_encode().cast(field.type) if is_dictionary else found


def _properties(file: Any, set_columns: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401
    """How the source was written, as far as its footer says."""
    metadata = file.metadata
    properties: dict[str, Any] = {"version": _version(file)}
    if any(file.schema.column(i).physical_type == "INT96" for i in range(metadata.num_columns)):
        properties["use_deprecated_int96_timestamps"] = True
    if b"ARROW:schema" not in (metadata.metadata or {}):
        properties["store_schema"] = False
    if not metadata.num_row_groups:
        return properties
    group = metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    new = [name for name in set_columns if name not in {each.path_in_schema for each in columns}]
    codecs = {c.path_in_schema: _CODECS.get(c.compression, c.compression) for c in columns}
    first = next(iter(codecs.values()), "SNAPPY")
    sorting = [each for each in group.sorting_columns or () if each.column_index < len(columns)]
    if sorting:
        properties["sorting_columns"] = sorting
    return properties | {
        "compression": {**codecs, **dict.fromkeys(new, first)},
        "use_dictionary": [c.path_in_schema for c in columns if c.has_dictionary_page] + new,
        "write_statistics": [c.path_in_schema for c in columns if c.is_stats_set] + new,
    }


def _version(file: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """The format's version, or the newest where a type would lose digits in an older one."""
    version, schema = str(file.metadata.format_version), str(file.schema_arrow)
    needs_newest = "[ns" in schema or "uint32" in schema
    return version if version in ("1.0", "2.4") and not needs_newest else "2.6"


def _are_equal(old: Any, new: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    # Not a number is never equal to itself, but its bytes are.
    return bool(old.equals(new)) or _bytes_of(old) == _bytes_of(new)


def _bytes_of(column: Any) -> bytes:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    return bytes(pa.table({"column": column}).combine_chunks().to_batches()[0].serialize())


def _add_to_digest(digest: Any, table: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    for column in table.columns:
        for chunk in column.chunks:
            plain = chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk
            cells = plain.cast(pa.large_binary()).to_pylist()
            digest.update(b"".join(b"%r\0" % cell for cell in cells))
