"""The table of what the embedded engine does differently, from the conformance suite's marks.

python tools/engine_differences.py            prints it
python tools/engine_differences.py --write    puts it into README.md, between its markers
python tools/engine_differences.py --check    fails if README.md shows another
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
sys.path.insert(0, str(ROOT / "tests"))

from engine.differences import renewed, table  # noqa: E402 (the path must be there first)


def main(arguments: list[str]) -> int:
    text = README.read_text() if arguments else ""
    match arguments:
        case []:
            print(table(), end="")
        case ["--write"]:
            README.write_text(renewed(text))
        case ["--check"] if text != renewed(text):
            print("README.md shows other differences than the suite: python tools/engine_differences.py --write")
            return 1
        case ["--check"]:
            pass
        case _:
            raise SystemExit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
