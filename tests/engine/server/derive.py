"""What the published description of Docker's API says of each call this engine answers, in a form of our own.

python tests/engine/server/derive.py v1.47.yaml > tests/engine/server/parameters.txt

A call by a line, and below it, with two spaces, its parameters: where (query or body), name and type. What is inside
of something has its name after a dot, `[]` is an item of a list and `*` a value of a mapping.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ABSENT = ("swarm", "nodes", "services", "tasks", "secrets", "configs", "plugins", "session", "grpc", "distribution")
DEPTH = 5


def main(path: str) -> None:
    api = yaml.safe_load(Path(path).read_text())
    for place, methods in api["paths"].items():
        if place.split("/")[1] not in ABSENT:
            for method, call in methods.items():
                print(method.upper(), place)
                for parameter in call.get("parameters", ()):
                    for line in lines(api, parameter):
                        print(f"  {line}")


def lines(api: dict, parameter: dict) -> Iterator[str]:
    if parameter["in"] == "query":
        yield f"query {parameter['name']} {parameter['type']}"
    elif parameter["in"] == "body":
        for name, kind in fields(api, parameter["schema"], "", 0):
            yield f"body {name or '.'} {kind}"


def fields(api: dict, schema: dict, name: str, depth: int) -> Iterator[tuple[str, str]]:
    schema = whole(api, schema)
    yield name, schema.get("type", "object")
    if depth < DEPTH:
        for key, inside in schema.get("properties", {}).items():
            yield from fields(api, inside, f"{name}.{key}".lstrip("."), depth + 1)
        if "items" in schema:
            yield from fields(api, schema["items"], f"{name}.[]".lstrip("."), depth + 1)
        if isinstance(schema.get("additionalProperties"), dict):
            yield from fields(api, schema["additionalProperties"], f"{name}.*".lstrip("."), depth + 1)


def whole(api: dict, schema: dict) -> dict:
    """With what it refers to in its place."""
    made = {}
    for part in (*schema.get("allOf", ()), schema):
        if "$ref" in part:
            part = whole(api, api["definitions"][part["$ref"].rpartition("/")[2]])
        elif part is not schema:
            part = whole(api, part)
        properties = made.get("properties", {}) | part.get("properties", {})
        made = made | part | ({"properties": properties} if properties else {})
    return made


if __name__ == "__main__":
    main(sys.argv[1])
