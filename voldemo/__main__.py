"""The command line: voldemo doctor, lab, run, engine, images, clean."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from voldemo import connect, predict  # noqa: F401 (what is missing is told here, in one sentence)
from voldemo.errors import LESSON
from voldemo.notebook import one_line
from voldemo.terminal import agreed, table
from voldemo.words import Sentence, language, say

# Each command imports what it alone needs: nbclient or the browser's defaults cost seconds.


def main(argv: list[str] | None = None) -> int:
    options = _parse(sys.argv[1:] if argv is None else argv)
    if options.engine:
        os.environ["VOLDEMO_ENGINE"] = options.engine  # the kernels that `lab` and `run` start inherit it
    try:
        return options.command(options)
    except KeyboardInterrupt:
        return _failed(say("cli.interrupted"), 130)
    except Sentence as sentence:
        return _failed(str(sentence))
    except (*LESSON, OSError) as error:
        return _failed(one_line(error))


def _failed(line: str, status: int = 1) -> int:
    print(line, file=sys.stderr)
    return status


def doctor(options: argparse.Namespace) -> int:
    from voldemo import doctor as checks

    found = checks.examine()
    print(checks.as_json(found) if options.json else checks.as_text(found))
    return 1 if any(check.state == "fail" for check in found) else 0


def lab(options: argparse.Namespace) -> int:
    from voldemo import lab as jupyter
    from voldemo.chapters import root
    from voldemo.connect import environment, find

    try:
        print(found := find())
        os.environ.update(environment(found))  # for the terminals in JupyterLab
    except Sentence as why:
        print(why)  # the pages can be read without an engine, and `connect()` looks again
    jupyter.launch(root(), language(), options.jupyter)


def run(options: argparse.Namespace) -> int:
    from voldemo.chapters import chapters, root

    chosen = chapters(root(), language(), options.chapter)  # a wrong name is told before the slow imports
    from voldemo.run import run as execute

    failed = 0
    for chapter in chosen:
        print(f"{chapter.name} …", end=" ", flush=True)
        result = execute(chapter, options.to or root() / "html")
        print(say("run.done", seconds=f"{result.seconds:.1f}", page=result.page), flush=True)
        if failure := result.failure:
            failed = _failed(say("run.failed", chapter=chapter.name, cell=failure.cell, why=failure.why))
    return failed


def engine(options: argparse.Namespace) -> int:
    from voldemo import embedded

    match options.what:
        case "start":
            variables = embedded.start().variables
            print("export", *(f"{name}={shlex.quote(value)}" for name, value in variables.items()))
        case "stop":
            number = embedded.stop()
            print(say("embedded.stopped", pid=number) if number else say("embedded.none"))
        case "status":
            return _engine_status()
    return 0


def _engine_status() -> int:
    from voldemo import embedded
    from voldemo.connect import find
    from voldemo.engines import emulated

    where = embedded.place()
    if (number := embedded.pid(where)) is None:
        print(say("embedded.none"))
        return 1
    found = find(where.url)
    facts = {"engine": found.engine, "pid": number, "root": where.root, "socket": where.socket, "log": where.log}
    print(table((name, str(fact)) for name, fact in facts.items()))
    print("\n" + say("embedded.emulates"))
    print(table((row.what, row.here) for row in emulated(found.client).itertuples()))
    return 0


def images(options: argparse.Namespace) -> int:
    from voldemo import images as pinned
    from voldemo.connect import find

    client = find().client
    if options.save:
        pinned.save(client, options.save, _named)
    failed = {}
    if options.load:
        failed = pinned.load(client, options.load, _named)
    elif not options.save:
        failed = pinned.pull(client, _named)
    frame = pinned.status(client)
    print(table((row.image, _size(row.bytes)) for row in frame.itertuples()))
    for image, why in failed.items():
        _failed(say("images.not_had", image=image, why=why))
    return 0 if frame.present.all() else 1


def _named(names):
    for name in names:
        print(f"{name} …", flush=True)
        yield name


def _size(size: int | None) -> str:
    from pandas import NA

    return say("images.absent") if size is NA else f"{size / 1e6:,.1f} MB"


def clean(options: argparse.Namespace) -> int:
    from voldemo import clean as cleaning
    from voldemo.connect import find

    client = find().client
    found = cleaning.survey(client)
    if found:
        print(table((item.thing.kind, item.thing.shown, say(f"clean.{item.state}")) for item in found))
    ours = [item for item in found if item.ours]
    if not ours:
        print(say("clean.nothing"))
    if not ours or options.dry_run:
        return 0
    if not options.yes and not sys.stdin.isatty():
        return _failed(say("clean.use_yes"))
    if not options.yes and not agreed(say("clean.ask", count=len(ours))):
        print(say("clean.kept"))
        return 0
    print(say("clean.removed", count=len(cleaning.remove(client))))
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voldemo", description=say("cli.voldemo"), allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(function) -> argparse.ArgumentParser:
        text = say(f"cli.{function.__name__}")
        adding = commands.add_parser(function.__name__, help=text, description=text, allow_abbrev=False)
        adding.set_defaults(command=function)
        adding.add_argument("--engine", metavar="NAME", help=say("cli.named"))
        return adding

    command(doctor).add_argument("--json", action="store_true", help=say("cli.json"))
    command(lab)
    running = command(run)
    running.add_argument("chapter", nargs="*", metavar="CHAPTER", help=say("cli.chapter"))
    running.add_argument("--to", type=Path, metavar="DIR", help=say("cli.to"))
    command(engine).add_argument("what", choices=("start", "stop", "status"), help=say("cli.what"))
    way = command(images).add_mutually_exclusive_group()
    way.add_argument("--from", dest="load", type=Path, metavar="DIR", help=say("cli.from"))
    way.add_argument("--to", dest="save", type=Path, metavar="DIR", help=say("cli.save"))
    cleaning = command(clean)
    cleaning.add_argument("--dry-run", action="store_true", help=say("cli.dry_run"))
    cleaning.add_argument("--yes", action="store_true", help=say("cli.yes"))

    options, rest = parser.parse_known_args(argv)
    if options.command is lab:
        if "--" in rest:
            rest.remove("--")
        options.jupyter = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
