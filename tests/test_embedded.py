"""The embedded engine as a process: started once, found again, ended. What it then does is tests/engine's subject."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from voldemo import doctor, embedded
from voldemo.__main__ import main
from voldemo.engine.unsupported import FAMILIES
from voldemo.words import Sentence, say

connecting = importlib.import_module("voldemo.connect")


@pytest.fixture
def own(short_path, monkeypatch):
    """A home of its own whose engine, should one be started, is gone afterwards."""
    monkeypatch.setenv("VOLDEMO_HOME", str(short_path / "home"))
    monkeypatch.setenv("VOLDEMO_LANG", "en")
    yield short_path / "home"
    embedded.stop()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """`stand_in(code)`: what runs in the engine's place; argv is `--socket PATH --root PATH`."""

    def replace(code: str) -> None:
        (tmp_path / "engine.py").write_text(code)
        monkeypatch.setattr(embedded, "PROGRAM", (sys.executable, str(tmp_path / "engine.py")))

    return replace


def at_once(count: int, work) -> list:
    results = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- one engine for all


def test_it_is_started_and_then_reused(own):
    where = embedded.start()
    first = embedded.pid(where)
    assert os.getsid(first) == first  # Ctrl-C in the kernel's terminal does not reach it
    assert embedded.start() == where
    assert embedded.pid(where) == first


def test_of_two_that_start_it_at_once_both_get_the_same(own):
    assert len({embedded.pid(where) for where in at_once(4, embedded.start)}) == 1


def test_it_outlives_the_process_that_started_it(own):
    code = "from voldemo import embedded; print(embedded.pid(embedded.start()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert embedded.pid(embedded.place()) == int(said)


def test_stop_ends_it_and_says_which(own):
    where = embedded.start()
    number = embedded.pid(where)
    assert embedded.stop() == number
    assert embedded.pid(where) is None
    assert embedded.stop() is None


def test_after_a_kill_it_is_started_anew(own):
    where = embedded.start()
    with embedded._watched(embedded.pid(where)) as ended:
        os.kill(embedded.pid(where), signal.SIGKILL)
        embedded.select.select([ended], [], [])
    assert embedded.pid(where) is None
    assert where.socket.exists()  # a stale one
    assert embedded.pid(embedded.start())


# ---- where it is


def test_it_lives_in_our_home(own):
    where = embedded.place()
    assert {where.root.parent, where.socket.parent, where.log.parent} == {own}


def test_a_home_with_a_long_path_has_its_socket_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("VOLDEMO_HOME", str(tmp_path / ("x" * 100)))
    where = embedded.place()
    assert len(os.fsencode(where.socket)) <= embedded.SOCKET_BYTES
    assert where.socket.parent.stat().st_mode & 0o777 == 0o700
    assert where.root.is_relative_to(tmp_path)
    where.socket.parent.rmdir()


def test_a_home_that_keeps_no_attributes_has_its_store_elsewhere(own, short_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(short_path))
    monkeypatch.setattr(embedded.tempfile, "tempdir", None)
    monkeypatch.setattr(embedded, "keeps_attributes", lambda folder: False)
    where = embedded.place()
    assert where.socket.parent == own
    assert where.root.parent == embedded.temporary()


@pytest.mark.parametrize("spoil", ["open", "link"])
def test_a_temporary_folder_that_others_could_have_made_is_refused(own, short_path, monkeypatch, spoil):
    monkeypatch.setattr(embedded.tempfile, "tempdir", str(short_path))
    folder = embedded.temporary()
    if spoil == "open":
        folder.chmod(0o777)
    else:
        folder.rename(short_path / "elsewhere")
        folder.symlink_to(short_path / "elsewhere")
    with pytest.raises(Sentence) as caught:
        embedded.temporary()
    assert caught.value.key == "embedded.not_ours"


# ---- where it cannot run


def test_its_own_sentence_is_passed_on(own, stand_in):
    stand_in("import sys; sys.exit('voldemo.engine: ptrace is forbidden here: use Docker.')")
    with pytest.raises(Sentence) as caught:
        embedded.start()
    assert str(caught.value) == say("embedded.refused", why="ptrace is forbidden here: use Docker")


def test_one_that_never_gets_ready_is_ended(own, stand_in, monkeypatch):
    monkeypatch.setattr(embedded, "START_SECONDS", 1)
    stand_in(
        "import os, pathlib, time; pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid())); time.sleep(60)"
    )
    with pytest.raises(Sentence):
        embedded.start()
    number = int(Path(embedded.PROGRAM[1]).with_name("pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "aarch64")])
def test_other_machines_are_told_at_once(own, monkeypatch, system, machine):
    monkeypatch.setattr(embedded.sys, "platform", system)
    monkeypatch.setattr(embedded.platform, "machine", lambda: machine)
    with pytest.raises(Sentence) as caught:
        embedded.start()
    assert caught.value.key == "embedded.machine"
    monkeypatch.undo()


def test_one_that_does_not_end_is_named(own, stand_in, monkeypatch):
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.2)
    stand_in(
        "import signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "with socket.socket(socket.AF_UNIX) as listening:\n"
        "    listening.bind(sys.argv[2]); listening.listen(); print('ready', flush=True); time.sleep(60)\n"
    )
    number = embedded.pid(embedded.start())
    try:
        with pytest.raises(Sentence, match=str(number)):
            embedded.stop()
    finally:
        with embedded._watched(number) as ended:
            os.kill(number, signal.SIGKILL)
            embedded.select.select([ended], [], [])


# ---- as a source of connect()


def test_it_is_the_last_resort(own, monkeypatch):
    assert connecting.SOURCES[-1] is connecting.embedded_engine
    monkeypatch.setattr(connecting, "SOURCES", (connecting.embedded_engine,))
    monkeypatch.delenv("VOLDEMO_ENGINE", raising=False)
    found = connecting.find()
    assert found.engine.name == "voldemo embedded engine"
    assert found.engine.where == embedded.place().url
    assert connecting.environment(found).items() >= embedded.place().variables.items()


def test_its_name_starts_it_whatever_else_is_there(own):
    assert connecting.find("embedded").engine.where == embedded.place().url


def test_where_it_cannot_run_connect_says_why(own, stand_in):
    stand_in("import sys; sys.exit('voldemo.engine: not here')")
    with pytest.raises(Sentence, match="not here"):
        connecting.find("embedded")


# ---- the command


def test_start_prints_what_a_shell_evaluates(own, capsys):
    assert main(["engine", "start"]) == 0
    assert capsys.readouterr().out == f"export DOCKER_HOST={embedded.place().url} DOCKER_BUILDKIT=0\n"


def test_status_tells_what_is_there_and_what_is_emulated(own, capsys):
    assert main(["engine", "status"]) == 1
    assert capsys.readouterr().out == f"{say('embedded.none')}\n"
    number = embedded.pid(embedded.start())
    assert main(["engine", "status"]) == 0
    said = capsys.readouterr().out
    assert all(fact in said for fact in (str(number), str(own), say("emulated.network.here")))


def test_stop_says_what_it_did(own, capsys):
    number = embedded.pid(embedded.start())
    assert main(["engine", "stop"]) == 0
    assert capsys.readouterr().out == f"{say('embedded.stopped', pid=number)}\n"
    assert main(["engine", "stop"]) == 0
    assert capsys.readouterr().out == f"{say('embedded.none')}\n"


# ---- doctor


def test_doctor_tries_one_and_leaves_none(own):
    check = doctor.own_engine()
    assert (check.state, embedded.pid(embedded.place())) == ("ok", None)
    assert {path.name for path in own.iterdir()} <= {"id"}


def test_doctor_names_the_one_that_runs(own):
    number = embedded.pid(embedded.start())
    assert str(number) in doctor.own_engine().found


def test_doctor_says_why_it_cannot_run(own, stand_in):
    stand_in("import sys; sys.exit('voldemo.engine: not here')")
    check = doctor.own_engine()
    assert check.state == "warn"
    assert "not here" in check.found


@pytest.mark.parametrize("feature", doctor.ABSENT.split(", "))
def test_what_doctor_calls_absent_the_engine_refuses(feature):
    assert any(sentence.lower().startswith(feature.lower()) for sentence in FAMILIES.values())


# ---- small


def test_the_engines_process_loads_nothing_of_the_workbook():
    code = "import sys, voldemo.engine.server; print(*(m for m in ('pandas', 'docker', 'IPython') if m in sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == []


def test_a_socket_nobody_answers_at_is_nobody(own):
    with socket.socket(socket.AF_UNIX) as stale:
        own.mkdir()
        stale.bind(str(own / "engine.sock"))
    assert embedded.pid(embedded.place()) is None
