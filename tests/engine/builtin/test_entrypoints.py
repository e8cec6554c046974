"""The entry points as programs. What needs a root of its own is tried in a container, elsewhere."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from voldemo.engine.builtin.servers import entrypoint

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


@pytest.fixture
def script(tmp_path):
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if not parent.stat().st_mode & stat.S_IXOTH:  # pytest's own: the one above them is everybody's
            parent.chmod(0o755)
    path = tmp_path / "docker-entrypoint.sh"
    path.write_bytes(entrypoint("postgres.sh"))
    path.chmod(0o755)
    return path


def run(script: Path, *arguments: str, **env: str):
    command = [*AS_NOBODY, "bash", str(script), *arguments]
    env = {"PATH": os.environ["PATH"], "PGDATA": str(script.parent / "data"), **env}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_postgres_refuses_without_a_password(script):
    done = run(script, "postgres")
    assert done.returncode == 1
    assert "Error: Database is uninitialized and superuser password is not specified." in done.stderr


def test_a_password_and_a_file_of_it_are_one_too_many(script):
    done = run(script, "postgres", POSTGRES_PASSWORD="a", POSTGRES_PASSWORD_FILE="/dev/null")
    assert done.returncode == 1
    assert "error: both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set (but are exclusive)" in done.stderr


def test_options_alone_mean_the_server(script):
    assert "superuser password is not specified" in run(script, "-c", "fsync=off").stderr


def test_any_other_program_just_runs(script):
    assert run(script, "echo", "hello").stdout == "hello\n"


@pytest.mark.parametrize("name", ["postgres.sh", "redis.sh"])
def test_they_are_right_for_their_shell(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(entrypoint(name))
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    subprocess.run([shell, "-n", path], check=True)
