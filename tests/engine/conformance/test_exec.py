"""Commands in a container that runs already."""

import pytest

from engine.conformance.lab import refused, sh


@pytest.fixture(scope="module")
def box(module_lab):
    return module_lab.start(environment={"A": "b"}, working_dir="/tmp", hostname="boxer")


def test_it_answers_with_output_and_code(box):
    result = box.exec_run(["sh", "-c", "echo out; exit 3"])
    assert (result.exit_code, result.output) == (3, b"out\n")


def test_streams_are_kept_apart(box):
    result = box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert result.output == (b"out\n", b"err\n")


def test_environment_and_folder_are_the_containers(box):
    assert sh(box, "echo $A $PWD").split() == ["b", "/tmp"]


def test_environment_and_folder_can_be_given(box):
    assert sh(box, "echo $A $B $PWD", environment={"B": "c"}, workdir="/etc").split() == ["b", "c", "/etc"]


def test_a_user_can_be_given(box):
    assert sh(box, "id -u; id -g", user="33:50").split() == ["33", "50"]


def test_a_user_that_is_not_there(box):
    with refused(400, "unable to find user nobody-here: no matching entries in passwd file"):
        box.exec_run("true", user="nobody-here")


def test_it_has_the_containers_name(box):
    assert sh(box, "hostname; cat /etc/hostname").split() == ["boxer", "boxer"]


def test_a_program_that_is_not_there(box):
    result = box.exec_run(["nope"])
    assert result.exit_code == 127
    assert b'exec: "nope": executable file not found in $PATH' in result.output


def test_a_file_that_is_no_program(box):
    result = box.exec_run(["/etc/passwd"])
    assert result.exit_code == 126
    assert b'exec: "/etc/passwd": permission denied' in result.output


def test_a_folder_that_is_not_there(box):
    result = box.exec_run(["true"], workdir="/nope")
    assert result.exit_code == 127 or result.exit_code == 126
    assert b"no such file or directory" in result.output


def test_killed_is_137(box):
    assert box.exec_run(["sh", "-c", "kill -9 $$"]).exit_code == 137


def test_detached_it_goes_on_alone(box):
    assert box.exec_run(["sh", "-c", "mkfifo /tmp/p; echo done > /tmp/p"], detach=True).output == ""
    assert sh(box, "while ! test -p /tmp/p; do true; done; cat /tmp/p") == "done"


def test_it_can_be_inspected(box):
    api = box.client.api
    exec_id = api.exec_create(box.id, ["sh", "-c", "exit 4"], environment=["X=1"], user="33")["Id"]
    before = api.exec_inspect(exec_id)
    api.exec_start(exec_id)
    after = api.exec_inspect(exec_id)
    assert (before["Running"], before["ExitCode"]) == (False, None)
    assert (after["Running"], after["ExitCode"], after["ContainerID"]) == (False, 4, box.id)
    assert after["ProcessConfig"]["entrypoint"] == "sh"
    assert after["ProcessConfig"]["arguments"] == ["-c", "exit 4"]
    assert after["ProcessConfig"]["user"] == "33"


def test_it_runs_only_once(box):
    exec_id = box.client.api.exec_create(box.id, ["true"])["Id"]
    box.client.api.exec_start(exec_id)
    with refused(409, f"exec command {exec_id} has already run"):
        box.client.api.exec_start(exec_id, detach=True)


def test_it_needs_a_running_container(lab):
    container = lab.create()
    with refused(409, f"container {container.id} is not running"):
        container.exec_run("true")


def test_it_needs_a_container(lab):
    with refused(404, "No such container: vdc-nope"):
        lab.client.api.exec_create("vdc-nope", "true")


def test_an_exec_that_is_not_there(lab):
    with refused(404, "No such exec instance: vdc-nope"):
        lab.client.api.exec_inspect("vdc-nope")


def test_it_needs_a_command(box):
    with refused(400, "No exec command specified"):
        box.client.api.exec_create(box.id, [])


def test_it_ends_with_its_container(lab):
    container = lab.start()
    exec_id = lab.client.api.exec_create(container.id, ["sh", "-c", "echo up; sleep 1000"])["Id"]
    stream = lab.client.api.exec_start(exec_id, stream=True)
    assert next(stream) == b"up\n"
    container.kill()
    assert list(stream) == []


def test_cli_exec(lab, box):
    assert lab.docker("exec", box.name, "echo", "hi") == "hi"


def test_cli_exec_gives_the_code(lab, box):
    lab.docker("exec", box.name, "sh", "-c", "exit 7", code=7)


def test_cli_exec_reads_stdin_to_its_end(lab, box):
    assert lab.docker("exec", "-i", box.name, "sh", "-c", "cat; echo end", stdin="one\ntwo\n") == "one\ntwo\nend"


def test_cli_exec_carries_many_bytes(lab, box):
    text = "0123456789abcde\n" * 50_000
    assert lab.docker("exec", "-i", box.name, "cat", stdin=text) == text.strip()


def test_cli_exec_of_a_missing_program(lab, box):
    said = lab.docker("exec", box.name, "nope", code=127)
    assert 'exec: "nope": executable file not found in $PATH' in said


def test_cli_exec_in_a_stopped_container(lab):
    container = lab.create()
    said = lab.docker("exec", container.name, "true", code=1)
    assert said == f"Error response from daemon: container {container.id} is not running"


def test_a_terminal_is_a_terminal(box):
    result = box.exec_run(["sh", "-c", "test -t 0 && test -t 1 && stty size; echo end"], tty=True, stdin=True)
    assert result.output.endswith(b"end\r\n")
    assert len(result.output.splitlines()) == 2


def test_a_terminal_can_be_resized(box):
    api = box.client.api
    exec_id = api.exec_create(box.id, ["sh", "-c", "read x; stty size"], tty=True, stdin=True)["Id"]
    socket = api.exec_start(exec_id, tty=True, socket=True)
    api.exec_resize(exec_id, height=33, width=44)
    socket._sock.sendall(b"\n")
    said = b""
    while chunk := socket._sock.recv(1000):
        said += chunk
    socket.close()
    assert b"33 44" in said
