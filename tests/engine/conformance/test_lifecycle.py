"""Starting, stopping and ending; what is left to see afterwards."""

import threading
import time

import pytest

from engine.conformance.lab import FOREVER, refused, sh, until

TRAP = ["sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while true; do sleep 0.05; done"]


def state(container):
    container.reload()
    return container.attrs["State"]


def ready(container):
    next(container.logs(stream=True, follow=True))
    return container


def test_created(lab):
    now = state(lab.create())
    assert (now["Status"], now["Running"], now["Pid"], now["ExitCode"]) == ("created", False, 0, 0)
    assert now["StartedAt"] == "0001-01-01T00:00:00Z"


def test_running(lab):
    now = state(lab.start())
    assert (now["Status"], now["Running"], now["Paused"]) == ("running", True, False)
    assert now["Pid"] > 0
    assert now["StartedAt"] > "2020"


def test_exited(lab):
    now = state(lab.shell("exit 7"))
    assert (now["Status"], now["Running"], now["Pid"], now["ExitCode"]) == ("exited", False, 0, 7)
    assert now["FinishedAt"] >= now["StartedAt"]


@pytest.mark.parametrize("script", ["exit 0", "exit 1", "exit 125", "exit 255"])
def test_the_exit_code_is_the_programs(lab, script):
    assert lab.run(script).code == int(script.split()[1])


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("SEGV", 139), ("TERM", 143)])
def test_ended_by_a_signal_is_128_and_more(lab, signal, code):
    assert lab.run(f"sh -c 'kill -{signal} $$'; exit $?").code == code


def test_wait_gives_the_code(lab):
    container = lab.start("sh", "-c", "exit 9")
    assert container.wait() == {"StatusCode": 9}
    assert container.wait() == {"StatusCode": 9}


def test_wait_for_a_container_that_was_never_started(lab):
    assert lab.create().wait() == {"StatusCode": 0}


def test_wait_for_removal(lab):
    container = lab.create("sh", "-c", "exit 4", auto_remove=True)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(container.wait(condition="removed")))
    thread.start()
    container.start()
    thread.join(20)
    assert codes == [{"StatusCode": 4}]


def test_wait_for_the_next_exit(lab):
    container = lab.shell("exit 1")
    codes = []
    thread = threading.Thread(target=lambda: codes.append(container.wait(condition="next-exit")))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    container.start()
    thread.join(20)
    assert codes == [{"StatusCode": 1}]


def test_a_program_that_is_not_there(lab):
    container = lab.create("nope")
    with refused(400, 'exec: "nope": executable file not found in $PATH'):
        container.start()
    now = state(container)
    assert (now["Status"], now["ExitCode"]) == ("created", 127)


def test_a_file_that_is_no_program(lab):
    container = lab.create("/etc/passwd")
    with refused(400, 'exec: "/etc/passwd": permission denied'):
        container.start()
    assert state(container)["ExitCode"] == 126


def test_a_working_folder_is_made(lab):
    assert lab.says("pwd; stat -c %u .", working_dir="/new/deep", user="33").split() == ["/new/deep", "0"]


@pytest.mark.parametrize(("argv", "code"), [("true", 0), ("sh -c 'exit 7'", 7), ("nope", 127), ("/etc/passwd", 126)])
def test_cli_run_ends_with_the_programs_code(lab, argv, code):
    assert lab.host(f"docker run --rm --network=none busybox:1.37 {argv} 2> /dev/null; echo $?") == f"{code}\n"


def test_cli_run_ends_with_125_when_the_engine_refuses(lab):
    said = lab.docker("run", "--rm", "-v", "/a:/b:sometimes", "busybox:1.37", code=125)
    assert "invalid mode: sometimes" in said


def test_cli_run_says_which_program_is_missing(lab):
    said = lab.docker("run", "--rm", "--network=none", "busybox:1.37", "nope", code=127)
    assert said.startswith("docker: Error response from daemon: failed to create task for container")
    assert 'exec: "nope": executable file not found in $PATH' in said


def test_start_again(lab):
    container = lab.shell("echo hi")
    container.start()
    container.wait()
    assert container.logs() == b"hi\nhi\n"


def test_start_of_what_runs_changes_nothing(lab):
    container = lab.start()
    before = state(container)["StartedAt"]
    container.start()
    assert state(container)["StartedAt"] == before


def test_stop_asks_first(lab):
    container = ready(lab.start(*TRAP))
    container.stop(timeout=20)
    assert state(container)["ExitCode"] == 3
    assert container.logs() == b"ready\ncaught\n"


def test_stop_kills_who_does_not_listen(lab):
    container = lab.start()
    sh(container, "true")  # so that its program runs, and not what Docker starts it with
    container.stop(timeout=0)
    assert state(container)["ExitCode"] == 137


def test_the_first_process_ignores_what_it_has_no_handler_for(lab):
    container = lab.start()
    container.kill("TERM")
    assert sh(container, "echo alive") == "alive"


def test_with_init_it_does_not(lab):
    container = lab.start(init=True)
    container.stop(timeout=20)
    assert state(container)["ExitCode"] == 143


def test_stop_sends_the_signal_that_was_asked_for(lab):
    script = "trap 'exit 6' INT; echo ready; while true; do sleep 0.05; done"
    container = ready(lab.start("sh", "-c", script, stop_signal="SIGINT"))
    container.stop(timeout=20)
    assert state(container)["ExitCode"] == 6


def test_stop_of_a_stopped_one_is_fine(lab):
    lab.shell("true").stop()


def test_kill(lab):
    container = lab.start()
    container.kill()
    assert container.wait() == {"StatusCode": 137}
    assert state(container)["OOMKilled"] is False


def test_kill_with_another_signal(lab):
    script = "trap 'echo usr1; exit 0' USR1; echo ready; while true; do sleep 0.05; done"
    container = ready(lab.start("sh", "-c", script))
    container.kill("SIGUSR1")
    container.wait()
    assert container.logs() == b"ready\nusr1\n"


def test_kill_takes_children_too(lab):
    volume = lab.volume()
    script = "(while true; do date +%s > /d/alive; done) & echo ready; sleep 1000"
    container = ready(lab.start("sh", "-c", script, volumes=[f"{volume.name}:/d"]))
    container.kill()
    container.wait()
    script = "rm -f /d/alive; usleep 100000; ls -A /d"
    assert lab.says(script, volumes=[f"{volume.name}:/d"]) == ""


def test_the_end_of_the_first_process_ends_all(lab):
    container = lab.start("sh", "-c", "sleep 1000 & exit 2")
    assert container.wait() == {"StatusCode": 2}


def test_kill_of_what_does_not_run(lab):
    container = lab.create()
    with refused(409, f"cannot kill container: {container.name}: container {container.id} is not running"):
        lab.client.api.kill(container.name)


def test_kill_with_a_signal_that_is_none(lab):
    with refused(400, "invalid signal: NOPE"):
        lab.start().kill("NOPE")


def test_restart(lab):
    container = lab.start()
    before = state(container)
    container.restart(timeout=0)
    after = state(container)
    assert after["Status"] == "running"
    assert after["StartedAt"] > before["StartedAt"]
    assert after["Pid"] != before["Pid"]


def test_restart_starts_what_was_stopped(lab):
    container = lab.create()
    container.restart()
    assert state(container)["Running"]


def test_pause_and_unpause(lab):
    ticks = lab.folder / "ticks"
    container = lab.start("sh", "-c", "while true; do echo >> /d/ticks; done", volumes=[f"{lab.folder}:/d"])
    until(ticks.exists)
    container.pause()
    assert (state(container)["Status"], state(container)["Paused"]) == ("paused", True)
    before = ticks.stat().st_size
    time.sleep(0.1)
    assert ticks.stat().st_size == before
    container.unpause()
    assert state(container)["Status"] == "running"
    until(lambda: ticks.stat().st_size > before)


def test_pause_twice(lab):
    container = lab.start()
    container.pause()
    with refused(409, f"Container {container.id} is already paused"):
        container.pause()
    container.unpause()
    with refused(500, f"Container {container.id} is not paused"):
        container.unpause()


def test_a_paused_container_runs_no_exec(lab):
    container = lab.start()
    container.pause()
    with refused(409, f"Container {container.name} is paused, unpause the container before exec"):
        lab.client.api.exec_create(container.name, "true")
    container.unpause()


def test_remove_of_what_runs(lab):
    container = lab.start()
    words = "container is running: stop the container before removing or force remove"
    with refused(409, f'cannot remove container "{container.name}": {words}'):
        lab.client.api.remove_container(container.name)
    container.remove(force=True)
    with refused(404, f"No such container: {container.id}"):
        container.reload()


def test_remove_of_what_is_paused(lab):
    container = lab.start()
    container.pause()
    with refused(409, "container is paused and must be unpaused first"):
        container.remove()
    container.unpause()


def test_remove_of_what_is_not_there(lab):
    with refused(404, "No such container: vdc-nope"):
        lab.client.api.remove_container("vdc-nope")


def test_a_name_is_taken(lab):
    first = lab.create()
    words = f'Conflict. The container name "/{first.name}" is already in use by container "{first.id}". '
    with refused(409, words + "You have to remove (or rename) that container to be able to reuse that name."):
        lab.create(name=first.name)


@pytest.mark.parametrize("name", ["a", "-a", "a b", "a/b"])
def test_a_bad_name_is_refused(lab, name):
    with refused(400, f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"):
        lab.create(name=name)


def test_without_a_name_it_gets_one(lab):
    container = lab.create(name=None)
    container.reload()
    assert "_" in container.name


def test_rename(lab):
    container, name = lab.create(), lab.name()
    old = container.name
    container.rename(name)
    assert lab.client.containers.get(name).id == container.id
    lab.create(name=old)


def test_rename_to_a_name_that_is_taken(lab):
    one, two = lab.create(), lab.create()
    with refused(409, f'Error when allocating new name: Conflict. The container name "/{two.name}" is already in use'):
        one.rename(two.name)


def test_a_container_is_found_by_the_start_of_its_id(lab):
    container = lab.create()
    assert lab.client.containers.get(container.id[:12]).id == container.id


def test_top(lab):
    container = lab.start("sh", "-c", "sleep 1000 & echo ready; wait")
    ready(container)
    table = container.top()
    assert table["Titles"][-1] == "CMD"
    assert sorted(row[-1] for row in table["Processes"])[-1] == "sleep 1000"
    assert len(table["Processes"]) == 2


def test_top_of_what_does_not_run(lab):
    container = lab.create()
    with refused(409, f"container {container.id} is not running"):
        container.top()


def test_stats_once(lab):
    container = lab.start(mem_limit="64m")
    stats = container.stats(stream=False)
    assert stats["name"] == f"/{container.name}"
    assert stats["id"] == container.id
    assert stats["memory_stats"]["limit"] == 64 << 20
    assert stats["pids_stats"]["current"] >= 1
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0


def test_stats_of_what_does_not_run(lab):
    stats = lab.create().stats(stream=False)
    assert stats["memory_stats"] == {}


def test_stats_stream(lab):
    stream = lab.start().stats(stream=True, decode=True)
    assert next(stream)["pids_stats"]["current"] >= 1
    stream.close()


def test_update_changes_the_memory_limit(lab):
    container = lab.start(mem_limit="64m", memswap_limit="64m")
    container.update(mem_limit="96m", memswap_limit="96m")
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 96 << 20


def test_update_changes_the_restart_policy(lab):
    container = lab.create()
    container.update(restart_policy={"Name": "on-failure", "MaximumRetryCount": 3})
    container.reload()
    assert container.attrs["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_too_much_memory_is_137_and_oom_killed(lab):
    script = "x=x; while true; do x=$x$x; done"
    container = lab.shell(script, mem_limit="16m", memswap_limit="16m")
    now = state(container)
    assert (now["ExitCode"], now["OOMKilled"]) == (137, True)


def test_a_memory_limit_has_a_minimum(lab):
    with refused(400, "Minimum memory limit allowed is 6MB"):
        lab.create(mem_limit="1m")


def test_prune_takes_what_does_not_run(lab):
    label = next(iter(lab.labels.items()))
    stopped, running, created = lab.shell("head -c 100 /dev/zero > /f"), lab.start(), lab.create()
    pruned = lab.client.containers.prune(filters={"label": "=".join(label)})
    assert set(pruned["ContainersDeleted"]) == {stopped.id, created.id}
    assert pruned["SpaceReclaimed"] == 100
    assert state(running)["Running"]


def test_auto_remove(lab):
    container = lab.create("true", auto_remove=True)
    container.start()
    until(lambda: not [thing for thing in lab.left() if thing.kind == "container"])


def test_auto_remove_and_restart_do_not_go_together(lab):
    with refused(400, "can't create 'AutoRemove' container with restart policy"):
        lab.create(auto_remove=True, restart_policy={"Name": "always"})


def test_no_command(lab):
    label = next(iter(lab.labels.items()))
    lab.client.api.import_image_from_data(bytes(10240), name := lab.name(), changes=[f"LABEL {'='.join(label)}"])
    with refused(400, "no command specified"):
        lab.client.containers.create(name, labels=lab.labels)


def test_cli_rm_says_the_name(lab):
    one, two = lab.create(), lab.create()
    assert lab.docker("rm", one.name, two.name).split() == [one.name, two.name]


def test_cli_stop_and_start_say_the_name(lab):
    container = lab.start()
    assert lab.docker("stop", "--timeout=0", container.name) == container.name
    assert lab.docker("start", container.name) == container.name
    assert lab.docker("kill", container.name) == container.name
    assert lab.docker("wait", container.name) == "137"


def test_cli_ps(lab):
    container = lab.start(*FOREVER)
    form = "{{.ID}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Names}}|{{.Status}}"
    row = lab.docker("ps", "--filter", f"id={container.id}", "--no-trunc", "--format", form).split("|")
    assert row[:5] == [container.id, "busybox:1.37", '"sleep 1000000"', "running", container.name]
    assert row[5].startswith("Up ")


def test_cli_ps_says_how_it_ended(lab):
    container = lab.shell("exit 7")
    row = lab.docker("ps", "--all", "--filter", f"id={container.id}", "--format", "{{.Status}}")
    assert row.startswith("Exited (7) ")
