"""Programs that run in a container, as text: `== name`, the program, and `-- prints` with what it has to print."""

from __future__ import annotations

from pathlib import Path


def read(name: str) -> dict[str, tuple[str, str]]:
    """What each prints is empty where the file says nothing of it."""
    found = {}
    text = "\n" + (Path(__file__).parent / name).read_text()
    for section in text.split("\n== ")[1:]:
        title, _, rest = section.partition("\n")
        program, _, prints = rest.partition("\n-- prints\n")
        found[title] = (program.strip() + "\n", prints.strip())
    return found
