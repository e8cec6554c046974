"""Values out of a JSON object that somebody else wrote: of the type Docker wants, or refused in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voldemo.engine.errors import BadParameter

JSON_NAMES: dict[type, str] = {
    bool: "bool",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def json_type(value: object) -> str:
    return JSON_NAMES.get(type(value), "null")


def refuse(value: object, name: str, wanted: str) -> BadParameter:
    return BadParameter(
        f"invalid JSON: json: cannot unmarshal {json_type(value)} into Go struct field {name} of type {wanted}"
    )


def text(body: Mapping[str, Any], name: str, default: str = "") -> str:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise refuse(value, name, "string")
    return value


def boolean(body: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise refuse(value, name, "bool")
    return value


def integer(body: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise refuse(value, name, "int64")
    return value


def texts(body: Mapping[str, Any], name: str) -> list[str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list):
        raise refuse(value, name, "[]string")
    for item in value:
        if not isinstance(item, str):
            raise refuse(item, name, "string")
    return value


def mapping(body: Mapping[str, Any], name: str) -> dict[str, str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise refuse(value, name, "map[string]string")
    for item in value.values():
        if not isinstance(item, str):
            raise refuse(item, name, "string")
    return value


def obj(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse(value, name, "object")
    return value
