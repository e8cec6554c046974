"""What a learner sees in a cell when something fails: one line. In IPython itself, and in a real kernel."""

import pandas as pd
import pytest
from cells import new_shell
from docker import DockerClient
from docker.errors import APIError
from IPython import get_ipython
from jupyter_client.manager import KernelManager

from voldemo import notebook, sandbox
from voldemo.engines import describe, measured, url
from voldemo.errors import reason
from voldemo.sandbox import Sandbox, things
from voldemo.words import say


@pytest.fixture
def cell(capsys, monkeypatch):
    """`cell(source, **names)`: what a cell prints, in a shell that voldemo has prepared."""
    shell = new_shell()
    monkeypatch.setattr(shell, "colors", "nocolor")
    notebook.prepare()

    def run(source: str, **names) -> str:
        shell.push(names)
        capsys.readouterr()
        shell.run_cell(source)
        return capsys.readouterr().out

    yield run
    shell.set_custom_exc((), None)


def test_outside_a_notebook_nothing_happens(monkeypatch):
    monkeypatch.setattr(notebook, "get_ipython", lambda: None)
    assert notebook.prepare() is None


def test_a_table_is_shown_in_full_and_says_which_engine_it_is_from(cell, client):
    cell("")
    long = "sentence" * 20
    page, _ = get_ipython().display_formatter.format(measured(client, [{"a": long}]))
    assert long in page["text/html"]
    assert str(describe(client)) in page["text/html"]
    assert "<p" not in get_ipython().display_formatter.format(pd.DataFrame([{"a": 1}]))[0]["text/html"]


def test_dockers_own_answer_is_one_line_with_its_status(cell, client):
    with Sandbox(client) as box:
        taken = box.create().name
        said = cell("box.create(name=taken)", box=box, taken=taken)
    assert said.startswith("409 Conflict: ")
    assert "already in use" in said
    assert said.count("\n") == 1


def test_a_sentence_of_ours_is_one_line(cell, client):
    said = cell("from voldemo.connect import find\nfind('dokcer')")
    assert said == f"{say('engine.unknown', name='dokcer')}\n"


def test_a_missing_image_says_how_to_get_it(cell, client):
    said = cell("client.containers.create('voldemo-no-such:1')", client=client)
    assert said == f"{say('image.missing', image='voldemo-no-such:1')}\n"


def test_an_engine_that_dies_in_the_middle_of_a_cell(cell, relay):
    through = DockerClient(relay.url)
    relay.cut(at="/info")
    assert cell("client.info()", client=through) == f"{say('engine.gone')}\n"


def test_a_full_disk(cell):
    said = cell("from pathlib import Path\nPath('/dev/full').write_text('x')")
    assert said == f"{say('disk.full', error='[Errno 28] No space left on device')}\n"


def test_an_interrupt(cell):
    assert cell("raise KeyboardInterrupt") == f"{say('interrupted')}\n"


def test_another_failure_of_docker_py_is_one_line(cell, client):
    said = cell("from docker.errors import InvalidArgument\nraise InvalidArgument('no')")
    assert said == "InvalidArgument: no\n"


def test_a_mistake_of_the_learners_keeps_its_traceback(cell):
    said = cell("def f():\n    return 1 / 0\nf()")
    assert "Traceback" in said
    assert "ZeroDivisionError: division by zero" in said


def test_an_error_without_an_answer_is_its_own_words():
    assert notebook.one_line(APIError("odd")) == "APIError: odd"
    assert reason(APIError("odd")) == "odd"


def test_the_stop_button_in_a_real_kernel(client, own_home, tmp_path, monkeypatch):
    """The experiment says when it is in the middle; then Jupyter interrupts, as its button does."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("DOCKER_HOST", url(client))
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    channel = manager.client()
    channel.start_channels()
    try:
        channel.wait_for_ready(timeout=60)
        channel.execute(
            "from voldemo import connect\n"
            "from voldemo.sandbox import Sandbox\n"
            "with Sandbox(connect()) as box:\n"
            "    container = box.start(mounts=[box.mount('/data', 'volume')])\n"
            "    print('in the middle', flush=True)\n"
            "    container.wait()\n"
        )
        until(channel, lambda message: "in the middle" in message["content"].get("text", ""))
        assert [thing.kind for thing in of_this_home(client)] == ["container", "volume"]
        manager.interrupt_kernel()
        error = until(channel, lambda message: message["msg_type"] == "error")
        assert error["content"]["traceback"] == [say("interrupted")]
        assert of_this_home(client) == []
    finally:
        channel.stop_channels()
        manager.shutdown_kernel(now=True)


def until(channel, wanted) -> dict:
    while True:
        message = channel.get_iopub_msg(timeout=60)
        if wanted(message):
            return message


def of_this_home(client) -> list:
    return [thing for thing in things(client) if thing.sandbox.startswith(sandbox.key())]
