"""Engine API JSON to tidy DataFrames. Nothing here talks to an engine."""

from __future__ import annotations

import re

import pandas as pd

# https://docs.docker.com/reference/api/engine/: GET /containers/{id}/changes numbers what happened to a path
CHANGES = {0: "C", 1: "A", 2: "D"}
# The tar of an empty layer, as `RUN true` leaves one; every builder writes the same 1024 zero bytes.
EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
WRITES = ("ADD", "COPY", "RUN")  # the steps that write into the file system
SHELL_STEP = re.compile(r"^(?:RUN\s+)?/bin/sh -c (?:#\(nop\)\s+)?")
INSTRUCTION = re.compile(r"^(FROM|RUN|CMD|LABEL|EXPOSE|ENV|ADD|COPY|ENTRYPOINT|VOLUME|USER|WORKDIR|ARG|STOPSIGNAL)\b")


def history(rows: list[dict]) -> pd.DataFrame:
    """What GET /images/{name}/history answers (newest step first) as one row a step, lowest step first.

    Columns: step, instruction (a Dockerfile's word), bytes (what the step added), created_by.
    """
    return pd.DataFrame(
        {
            "step": step,
            "instruction": instruction(row["CreatedBy"]),
            "bytes": row["Size"],
            "created_by": SHELL_STEP.sub("", row["CreatedBy"]),
        }
        for step, row in enumerate(reversed(rows), 1)
    )


def instruction(created_by: str) -> str:
    """The Dockerfile's word for a step. The classic builder writes RUN as a bare shell command, BuildKit as `RUN …`."""
    text = created_by if created_by.startswith("RUN") else SHELL_STEP.sub("", created_by)
    match = INSTRUCTION.match(text.strip())
    return match[1] if match else "RUN" if created_by.startswith("/bin/sh -c") else "-"


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
