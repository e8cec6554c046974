"""What a container says: logs and attach."""

import time

import pytest

from engine.conformance.lab import refused


@pytest.fixture(scope="module")
def talker(module_lab):
    """Its two streams told apart, and three lines on the first."""
    container = module_lab.start("sh", "-c", "for n in 1 2 3; do echo line $n; done; echo oops >&2")
    container.wait()
    return container


def test_logs_keep_both_streams(talker):
    assert talker.logs(stderr=False) == b"line 1\nline 2\nline 3\n"
    assert talker.logs(stdout=False) == b"oops\n"


def test_logs_have_a_tail(talker):
    assert talker.logs(tail=1, stderr=False) in (b"line 3\n", b"")
    assert len(talker.logs(tail=2).splitlines()) == 2
    assert talker.logs(tail=0) == b""


def test_logs_have_times(talker):
    stamp, line = talker.logs(timestamps=True, stderr=False).splitlines()[0].split(b" ", 1)
    assert line == b"line 1"
    assert stamp[10:11] == b"T"
    assert stamp.endswith(b"Z")


def test_logs_since_and_until(lab, talker):
    now = int(time.time())
    assert talker.logs(since=now + 100) == b""
    assert len(talker.logs(since=now - 1000).splitlines()) == 4
    assert talker.logs(until=now - 1000) == b""


def test_logs_follow_until_the_end(lab):
    container = lab.start("sh", "-c", "echo first; read x < /fifo", volumes=[f"{lab.folder}:/d"])
    assert b"".join(container.logs(stream=True, follow=True)).splitlines()[0] == b"first"


def test_logs_follow_as_it_speaks(lab):
    container = lab.start("sh", "-c", "echo first; while ! test -e /d/go; do true; done; echo second",
                          volumes=[f"{lab.folder}:/d"])  # fmt: skip
    stream = container.logs(stream=True, follow=True)
    assert next(stream) == b"first\n"
    (lab.folder / "go").touch()
    assert b"".join(stream) == b"second\n"


def test_logs_go_on_over_a_restart(lab):
    container = lab.start("echo", "hi")
    container.wait()
    container.start()
    container.wait()
    assert container.logs() == b"hi\nhi\n"


def test_logs_of_many_lines(lab):
    container = lab.start("seq", "1", "20000")
    container.wait()
    assert container.logs().splitlines()[-1] == b"20000"
    assert len(container.logs().splitlines()) == 20000


def test_logs_of_a_long_line(lab):
    container = lab.shell("head -c 100000 /dev/zero | tr '\\0' x")
    assert container.logs() == b"x" * 100000


def test_logs_of_bytes_that_are_no_text(lab):
    container = lab.shell("printf '\\377\\000\\n'")
    assert container.logs()[-3:] in (b"\xff\x00\n", b"\xbd\x00\n")


def test_logs_need_a_stream(talker):
    with refused(400, "Bad parameters: you must choose at least one stream"):
        talker.logs(stdout=False, stderr=False)


def test_logs_of_a_terminal_are_one_stream(lab):
    container = lab.start("sh", "-c", "echo out; echo err >&2", tty=True)
    container.wait()
    assert container.logs() == b"out\r\nerr\r\n"


def test_no_logs_without_a_driver(lab):
    container = lab.start("echo", "hi", log_config={"Type": "none"})
    container.wait()
    with refused(501, "configured logging driver does not support reading"):
        container.logs()


def test_cli_logs(lab, talker):
    done = lab.cli("logs", talker.name)
    assert (done.stdout, done.stderr) == ("line 1\nline 2\nline 3\n", "oops\n")


def test_cli_logs_of_a_missing_container(lab):
    said = lab.docker("logs", "vdc-nope", code=1)
    assert said == "Error response from daemon: No such container: vdc-nope"


def test_cli_run_keeps_streams_apart(lab):
    done = lab.cli("run", "--rm", "--network=none", "busybox:1.37", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_cli_run_reads_stdin_to_its_end(lab):
    said = lab.docker(
        "run", "--rm", "-i", "--network=none", "busybox:1.37", "sh", "-c", "cat; echo end", stdin="a\nb\n"
    )
    assert said == "a\nb\nend"


def test_cli_run_carries_many_bytes_both_ways(lab):
    text = "0123456789abcde\n" * 50_000
    assert lab.docker("run", "--rm", "-i", "--network=none", "busybox:1.37", "cat", stdin=text) == text.strip()


def test_without_i_there_is_no_stdin(lab):
    assert lab.docker("run", "--rm", "--network=none", "busybox:1.37", "cat", stdin="text") == ""


def test_attach_to_what_runs(lab):
    container = lab.start("sh", "-c", "read x; echo got $x", stdin_open=True)
    socket = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    socket._sock.sendall(b"word\n")
    said = b""
    while chunk := socket._sock.recv(1000):
        said += chunk
    socket.close()
    assert said == b"\x01\0\0\0\0\0\0\x09got word\n"


def test_attach_with_logs_repeats_what_was_said(lab):
    container = lab.shell("echo before")
    api = lab.client.api
    url = api._url("/containers/{0}/attach", container.id)
    said = api._post(url, params={"logs": 1, "stdout": 1}).content  # docker-py's attach can lose what comes at once
    assert said == b"\x01\0\0\0\0\0\0\x07before\n"


def test_cli_attach_gives_the_exit_code(lab):
    container = lab.start("sh", "-c", "read x; exit 5", stdin_open=True)
    lab.docker("attach", container.name, stdin="\n", code=5)


def test_cli_start_attached(lab):
    container = lab.create("sh", "-c", "echo hi; exit 4")
    assert lab.docker("start", "--attach", container.name, code=4) == "hi"


def test_attach_to_what_does_not_run(lab):
    said = lab.docker("attach", lab.create().name, code=1)
    assert "You cannot attach to a stopped container, start it first" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [({"max-size": "abc"}, "invalid size: 'abc'"), ({"max-file": "0"}, "max-file cannot be less than 1")],
)
def test_a_log_that_cannot_be_is_refused_at_the_start(lab, options, said):
    container = lab.create(log_config={"Type": "json-file", "Config": options})
    with refused(500, f"failed to initialize logging driver: {said}"):
        container.start()
