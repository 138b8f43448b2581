"""The keys of design files as Markdown, from the schema that checks them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from anda.config import Design, load, preset_names

__all__ = ["write_keys"]


def write_keys(page: str) -> str:
    """The page with what belongs between each `<!-- keys: NAME -->` and the next `<!-- end -->`.

    NAME is a table of a design file, `design` for what stands above all tables, or `presets`.

    Raises
    ------
    ValueError
        When the page names a table that does not exist.
    """
    return re.sub(r"<!-- keys: (\S+) -->\n.*?<!-- end -->", _written, page, flags=re.S)


def _written(match: re.Match[str]) -> str:
    name = match.group(1)
    tables = _tables()
    if name == "presets":
        lines = _presets()
    elif name in tables:
        lines = _keys(tables[name])
    else:
        raise ValueError(f"a page names the keys of {name!r}, but there are only {', '.join(tables)}")
    return "\n".join([f"<!-- keys: {name} -->", *lines, "<!-- end -->"])


def _tables() -> dict[str, Mapping[str, Any]]:
    """For each table of a design file its schema."""
    schema = Design.model_json_schema()
    found: dict[str, Mapping[str, Any]] = {"design": schema}
    for name, key in schema["properties"].items():
        if (reference := _reference(key)) is not None:
            table = found[name] = schema["$defs"][reference]
            for inner, each in table["properties"].items():
                if "$ref" in each.get("items", ()):
                    found[f"{name}.{inner}"] = schema["$defs"][_reference(each["items"])]
    return found


def _reference(key: Mapping[str, Any]) -> str | None:
    """The definition that a key refers to, if it is a table."""
    for each in (key, *key.get("anyOf", ())):
        if "$ref" in each:
            return str(each["$ref"]).rpartition("/")[2]
    return None


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    yield "| key | values | default | meaning |"
    yield "|---|---|---|---|"
    for name, key in table["properties"].items():
        if _reference(key) is None:
            default = "required" if name in table.get("required", ()) else _value(key.get("default"))
            yield f"| `{name}` | {_values(key)} | {default} | {key['description']} |"


def _values(key: Mapping[str, Any]) -> str:
    """What may stand there."""
    kinds = [kind for kind in key.get("anyOf", [key]) if kind.get("type") != "null"]
    return ", ".join(_kind(kind) for kind in kinds)


def _kind(kind: Mapping[str, Any]) -> str:
    if "enum" in kind:
        return ", ".join(_value(value) for value in kind["enum"])
    if kind["type"] == "array":
        return "tables" if "$ref" in kind["items"] else "two whole numbers"
    if "minimum" in kind and "maximum" not in kind:
        return f"{kind['minimum']} and more"
    if "minimum" in kind:
        high = kind["maximum"]
        power = high.bit_length() - 1
        return f"{kind['minimum']} to {f'2^{power}' if high == 1 << power and power > 9 else high}"
    return {"boolean": "`true`, `false`", "integer": "a whole number"}.get(kind["type"], "text")


def _value(value: Any) -> str:
    return "-" if value in (None, "") else f"`{json.dumps(value)}`"


def _presets() -> Iterator[str]:
    yield "| preset | tables | what it is for |"
    yield "|---|---|---|"
    for name in preset_names():
        design = load(name)
        given = [table for table in _tables() if table not in ("design", "format")]
        tables = ", ".join(f"`{table}`" for table in given if getattr(design, table, None) is not None)
        yield f"| `{name}` | {tables} | {design.description}. |"
