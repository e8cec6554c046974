"""Engine API JSON to tidy DataFrames. Nothing here talks to an engine."""

from __future__ import annotations

import re

import pandas as pd

# https://docs.docker.com/reference/api/engine/: GET /containers/{id}/changes numbers what happened to a path
CHANGES = {0: "C", 1: "A", 2: "D"}
# The tar of an empty layer, as `RUN true` leaves one; every builder writes the same 1024 zero bytes.
EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
WRITES = ("ADD", "COPY", "RUN")  # the steps that write into the file system
# How the builders write a shell step: BuildKit with RUN in front; the classic one with its build arguments counted.
SHELL_STEP = re.compile(r"^(?:RUN )?(?:\|\d+ .*? )?/bin/sh -c (?:#\(nop\) +)?")
INSTRUCTION = re.compile(r"^(FROM|RUN|CMD|LABEL|EXPOSE|ENV|ADD|COPY|ENTRYPOINT|VOLUME|USER|WORKDIR|ARG|STOPSIGNAL)\b")


def history(rows: list[dict]) -> pd.DataFrame:
    """What GET /images/{name}/history answers (newest step first) as one row a step, lowest step first.

    Columns: step, instruction (a Dockerfile's word), bytes (what the step added), created_by.
    """
    texts = [row["CreatedBy"] for row in reversed(rows)]
    return pd.DataFrame(
        {
            "step": range(1, len(rows) + 1),
            "instruction": [instruction(text) for text in texts],
            "bytes": [row["Size"] for row in reversed(rows)],
            "created_by": [SHELL_STEP.sub("", text) for text in texts],
        }
    )


def instruction(created_by: str) -> str:
    """The Dockerfile's word for a step; `-` where the history does not tell."""
    shell = SHELL_STEP.match(created_by)
    if shell and "#(nop)" not in shell[0]:
        return "RUN"
    word = INSTRUCTION.match(SHELL_STEP.sub("", created_by))
    return word[1] if word else "-"


def layers(image: dict, steps: list[dict]) -> pd.DataFrame:
    """An image's layers, lowest first, from what GET /images/{name}/json and …/history answer.

    Columns: layer (the first 12 hex digits of the uncompressed tar's digest), bytes (NA where the history does not
    tell which step made which layer).
    """
    ids = image["RootFS"].get("Layers") or []
    rows = {"layer": [short(each) for each in ids], "bytes": _layer_sizes(ids, history(steps))}
    return pd.DataFrame(rows).astype({"bytes": "Int64"})


def _layer_sizes(ids: list[str], steps: pd.DataFrame) -> list[int | None]:
    """The API does not say which step made which layer: a step made one if it added bytes, or may have if it writes."""
    filled = [each for each in ids if each != EMPTY]
    for made, there in ((steps.bytes > 0) | steps.instruction.isin(WRITES), ids), (steps.bytes > 0, filled):
        if made.sum() == len(there):
            known = dict(zip(there, steps.bytes[made], strict=True))
            return [known.get(each, 0) for each in ids]
    return [None] * len(ids)


def changes(rows: list[dict] | None) -> pd.DataFrame:
    """What `docker diff` lists: columns kind (A added, C changed, D deleted), path."""
    return pd.DataFrame(
        [{"kind": CHANGES[row["Kind"]], "path": row["Path"]} for row in rows or []], columns=["kind", "path"]
    )


def mounts(container: dict) -> pd.DataFrame:
    """A container's mounts from its inspect answer: columns type, name, destination, driver, rw (bool)."""
    return pd.DataFrame(
        [
            {
                "type": mount["Type"],
                "name": mount.get("Name"),
                "destination": mount["Destination"],
                "driver": mount.get("Driver"),
                "rw": mount["RW"],
            }
            for mount in container["Mounts"]
        ],
        columns=["type", "name", "destination", "driver", "rw"],
    )


def volumes(rows: list[dict] | None) -> pd.DataFrame:
    """What `docker volume ls` lists: columns name, driver, scope, labels (k=v, comma-separated), created."""
    return pd.DataFrame(
        [
            {
                "name": row["Name"],
                "driver": row["Driver"],
                "scope": row["Scope"],
                "labels": ", ".join(f"{key}={value}" for key, value in sorted((row["Labels"] or {}).items())),
                "created": pd.Timestamp(row["CreatedAt"]) if row.get("CreatedAt") else pd.NaT,
            }
            for row in rows or []
        ],
        columns=["name", "driver", "scope", "labels", "created"],
    )


def short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
