"""The docker SDK's own integration tests, on Docker and on the embedded engine, in one run.

python tests/engine/sdk_own.py SOURCE [docker|embedded]...

SOURCE is a checkout of docker-py (its wheel and sdist carry no tests). `docker` is the engine that DOCKER_HOST
names; tests that prune are left out there, because they would prune everything: --prune says that it may be.
The images those tests want are busybox here, under the names they use; pulling fails where there is no registry.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest
from docker import DockerClient

FILES = (
    "api_volume_test.py",
    "models_volumes_test.py",
    "api_container_test.py",
    "models_containers_test.py",
    "api_exec_test.py",
    "api_image_test.py",
    "models_images_test.py",
)
WANTED_IMAGES = ("alpine:3.10", "alpine:latest", "busybox:latest")
PER_TEST = 40  # seconds


# Inside pytest, of which this file is a plugin: a time limit for each test, and one line for each outcome.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(PER_TEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def _too_long(*_):
    raise TimeoutError(f"not done after {PER_TEST} s")


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        row = {"test": report.nodeid.split("integration/")[-1], "outcome": report.outcome, "reason": _reason(report)}
        with Path(os.environ["SDK_OWN_REPORT"]).open("a") as file:
            print(json.dumps(row), file=file)


def _reason(report) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return report.longrepr[2]
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(crash.message.split())[:200] if crash else ""


# Outside pytest.


def main(arguments: list[str]) -> int:
    prune = "--prune" in arguments
    words = [word for word in arguments if word != "--prune"]
    if not words or not (Path(words[0]) / "tests" / "integration").is_dir():
        raise SystemExit(__doc__)
    source, engines = Path(words[0]).resolve(), words[1:] or ["docker", "embedded"]
    results = {engine: _results(source, engine, prune or engine == "embedded") for engine in engines}
    for engine, rows in results.items():
        _summary(engine, rows)
    return 0


def _results(source: Path, engine: str, prune: bool) -> list[dict]:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from engine.embedded import embedded

    with embedded() if engine == "embedded" else nullcontext(os.environ["DOCKER_HOST"]) as url, _images(url):
        return _run(source, url, prune)


@contextmanager
def _images(url: str):
    with closing(DockerClient(url)) as client:
        image = client.images.get("busybox:1.37")
        new = [name for name in WANTED_IMAGES if not client.images.list(name)]
        for name in new:
            image.tag(*name.split(":"))
        try:
            yield
        finally:
            for name in new:
                client.images.remove(name, force=True)


def _run(source: Path, url: str, prune: bool) -> list[dict]:
    with tempfile.TemporaryDirectory(prefix="vd-") as folder:
        report = Path(folder) / "report"
        report.touch()
        (Path(folder) / "paramiko.py").write_text("class Channel: ...\n")  # their helpers import it, for ssh alone
        path = os.pathsep.join([folder, str(Path(__file__).parent)])
        environment = os.environ | {"DOCKER_HOST": url, "PYTHONPATH": path, "SDK_OWN_REPORT": str(report)}
        options = [
            "-q",
            "-p",
            "sdk_own",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:warnings",
            "-p",
            "no:unraisableexception",
            "-c",
            "/dev/null",
            "--tb=short",
        ]
        options += ["--rootdir", str(source), *([] if prune else ["-k", "not prune"])]
        tests = [f"tests/integration/{name}" for name in FILES]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        subprocess.run(command, cwd=source, env=environment, stdout=sys.stderr, check=False)
        return [json.loads(line) for line in report.read_text().splitlines()]


def _summary(engine: str, rows: list[dict]) -> None:
    count = Counter(row["outcome"] for row in rows)
    print(f"\n## {engine}: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped\n")
    print("| file | passed | failed | skipped |\n|---|---|---|---|")
    for name in FILES:
        of = Counter(row["outcome"] for row in rows if row["test"].startswith(name))
        print(f"| {name} | {of['passed']} | {of['failed']} | {of['skipped']} |")
    print()
    for row in rows:
        if row["outcome"] == "failed":
            print(f"- `{row['test']}`: {row['reason']}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
