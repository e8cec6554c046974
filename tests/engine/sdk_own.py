"""The docker SDK's own integration tests, on Docker and on the embedded engine, in one run.

python tests/engine/sdk_own.py --throwaway

DOCKER_HOST names the Docker engine. `--throwaway` says that it holds nothing of value: these tests prune whatever
there is, and leave containers behind. `make sdk` runs this on a private engine.

The tests come from PyPI, in the last sdist of docker that carries them, and run on the SDK that is installed here.
The images they want are busybox here, under the names they use; pulling fails, because there is no registry.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from docker import DockerClient

SDIST = "docker==7.0.0"
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
DOCKER, EMBEDDED = "docker", "embedded"

# Why the embedded engine fails what Docker passes. A test named here that passes there must leave this list.
REASONS = {
    "LinkTest::test_remove_link": "a legacy link is there as long as its container: it cannot be removed by itself",
    "CreateContainerTest::test_create_with_mac_address": "its network is the host's: no container has a MAC address",
    "PortTest::test_port": "publishing a udp port answers 501: it publishes tcp ports only",
}
# Why both fail, where it is not the engines' doing.
NEITHER = (
    (r"fromImage=|/distribution/", "asks a registry, and there is none"),
    (r"unable to find user postgres|OCI runtime", "needs alpine's own user or folder, and busybox has neither"),
    (r"127 == 126", "expects the exit code of an older Docker"),
    (r"'Container' in \{", "expects a field that Docker 28 no longer gives"),
    (r"scheme http\+docker is invalid", "the SDK's own fault: its websocket cannot use a unix socket"),
)


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
        row = {"test": report.nodeid.split("integration/")[-1], "outcome": report.outcome, "said": _said(report)}
        with Path(os.environ["SDK_OWN_REPORT"]).open("a") as file:
            print(json.dumps(row), file=file)


def _said(report) -> str:
    if report.outcome == "skipped":
        return report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected to fail"
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(crash.message.split())[:300] if crash else ""


# Outside pytest.


def main(arguments: list[str]) -> int:
    if arguments != ["--throwaway"]:
        raise SystemExit(__doc__)
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from engine.embedded import embedded

    with _source() as source:
        outcomes = {DOCKER: _outcomes(source, os.environ["DOCKER_HOST"])}
        with embedded() as url:
            outcomes[EMBEDDED] = _outcomes(source, url)
    return show(outcomes[DOCKER], outcomes[EMBEDDED])


@contextmanager
def _source() -> Iterator[Path]:
    """A folder with the SDK's tests in it, and nothing else of it."""
    with tempfile.TemporaryDirectory(prefix="vd-") as name:
        folder = Path(name)
        venv.create(folder / "pip", with_pip=True)
        pip = [folder / "pip" / "bin" / "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--no-binary=:all:", "--dest", folder, SDIST], check=True)
        with tarfile.open(next(folder.glob("*.tar.gz"))) as tar:
            tests = [member for member in tar if member.name.partition("/")[2].startswith("tests/")]
            tar.extractall(folder, tests, filter="data")
        # their helpers import it, for ssh alone
        (folder / "paramiko.py").write_text("class Channel: ...\n")
        yield next(folder.glob("docker-*/"))


def _outcomes(source: Path, url: str) -> dict[str, dict]:
    report = source / "report"
    report.write_text("")
    path = os.pathsep.join(map(str, (source.parent, Path(__file__).parent)))
    environment = os.environ | {"DOCKER_HOST": url, "PYTHONPATH": path, "SDK_OWN_REPORT": str(report)}
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "warnings", "unraisableexception", "xdist")]
    options = ["-q", "--tb=no", "-psdk_own", *without, "-c", os.devnull, f"--rootdir={source}"]
    tests = [f"tests/integration/{name}" for name in FILES]
    with _images(url):
        command = [sys.executable, "-m", "pytest", *options, *tests]
        done = subprocess.run(command, cwd=source, env=environment, stdout=sys.stderr, check=False)
    if done.returncode not in (0, 1):  # all passed, some failed
        raise SystemExit(f"pytest ended with {done.returncode}")
    rows = map(json.loads, report.read_text().splitlines())
    return {row["test"]: row for row in rows}


@contextmanager
def _images(url: str) -> Iterator[None]:
    with closing(DockerClient(url)) as client:
        for name in WANTED_IMAGES:
            client.images.get("busybox:1.37").tag(*name.split(":"))
        yield


def show(docker: dict[str, dict], embedded: dict[str, dict]) -> int:
    """Prints the tables. 1 if the embedded engine fails something for no reason known."""
    kinds = {test: _kind(docker[test], embedded[test]) for test in docker | embedded}
    columns = ("both", "Docker only", "embedded only", "neither", "skipped")
    print(f"\n| the SDK's own tests | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name in (*FILES, ""):
        count = Counter(kind for test, kind in kinds.items() if test.startswith(name))
        print(f"| {name or 'all'} | {' | '.join(str(count[column]) for column in columns)} |")
    unknown = False
    for column, why in (("Docker only", _reason), ("neither", _neither), ("embedded only", _said_by_docker)):
        print(f"\nPassed on {column}:" if column != "neither" else "\nPassed on neither:")
        for test in (test for test, kind in kinds.items() if kind == column):
            text = why(test, docker[test])
            unknown |= column == "Docker only" and text is None
            print(f"- `{test}`: {text or 'WHY? ' + embedded[test]['said']}")
    stale = [name for name in REASONS if any(test.endswith(name) and kinds[test] != "Docker only" for test in kinds)]
    for name in stale:
        print(f"\n{name} has a reason here, and no need of it.")
    return int(unknown or bool(stale))


def _kind(docker: dict, embedded: dict) -> str:
    passed = docker["outcome"] == "passed", embedded["outcome"] == "passed"
    if "failed" not in (docker["outcome"], embedded["outcome"]) and not all(passed):
        return "skipped"
    return {(True, True): "both", (True, False): "Docker only", (False, True): "embedded only"}.get(passed, "neither")


def _reason(test: str, _: dict) -> str | None:
    return next((reason for name, reason in REASONS.items() if test.endswith(name)), None)


def _neither(_: str, docker: dict) -> str:
    return next((why for pattern, why in NEITHER if re.search(pattern, docker["said"])), docker["said"])


def _said_by_docker(_: str, docker: dict) -> str:
    return docker["said"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
