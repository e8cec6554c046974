"""Docker Compose: named volumes, health, names, and what `down` leaves."""

import json

import pytest

from engine.conformance.lab import FOREVER

FILE = """
services:
  db:
    image: busybox:1.37
    init: true
    command: sh -c 'mkdir -p /w; echo from db > /w/index.html; exec httpd -f -p 80 -h /w'
    labels: {{{label}}}
    volumes:
      - data:/data
      - ./conf:/conf:ro
      - {{type: volume, source: data, target: /plain, volume: {{nocopy: true}}}}
      - {{type: tmpfs, target: /scratch, tmpfs: {{size: 1048576}}}}
    healthcheck: {{test: wget -qO- localhost, interval: 100ms, retries: 50}}
    expose: [80]
  app:
    image: busybox:1.37
    init: true
    command: sleep 1000000
    labels: {{{label}}}
    environment: {{MODE: test}}
    depends_on: {{db: {{condition: service_healthy}}}}
    volumes: [data:/shared, /anonymous]
  once:
    image: busybox:1.37
    command: sh -c 'echo done > /data/once'
    labels: {{{label}}}
    volumes: [data:/data]
    profiles: [jobs]
volumes:
  data: {{labels: {{{label}}}}}
networks:
  default: {{labels: {{{label}}}}}
"""


class Project:
    def __init__(self, lab):
        self.lab, self.name = lab, f"{lab.label}p"
        (lab.folder / "conf").mkdir()
        (lab.folder / "conf" / "setting").write_text("on")
        label = ": ".join(json.dumps(word) for pair in lab.labels.items() for word in pair)
        (lab.folder / "compose.yaml").write_text(FILE.format(label=label))

    def command(self, *words):
        return "compose", "--project-name", self.name, "--project-directory", str(self.lab.folder), *words

    def __call__(self, *words, code=0):
        done = self.lab.cli(*self.command(*words))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout.strip()

    def volumes(self):
        return [thing.name for thing in self.lab.left() if thing.kind == "volume"]


@pytest.fixture(scope="module")
def project(module_lab):
    project = Project(module_lab)
    project("up", "--detach", "--quiet-pull")
    yield project
    project("down", "--volumes", "--timeout=0")


def test_up_starts_everything_and_names_it(project):
    rows = [json.loads(row) for row in project("ps", "--format", "json").splitlines()]
    assert {(row["Service"], row["Name"], row["State"]) for row in rows} == {
        ("db", f"{project.name}-db-1", "running"),
        ("app", f"{project.name}-app-1", "running"),
    }


def test_up_waited_until_it_was_healthy(project):
    (row,) = (json.loads(row) for row in project("ps", "db", "--format", "json").splitlines())
    assert row["Health"] == "healthy"


def test_exec(project):
    assert project("exec", "-T", "app", "sh", "-c", "echo $MODE") == "test"


def test_exec_gives_the_code(project):
    project("exec", "-T", "app", "sh", "-c", "exit 5", code=5)


def test_services_reach_each_other_by_name(project):
    assert project("exec", "-T", "app", "wget", "-qO-", "db") == "from db"


def test_services_share_the_named_volume(project):
    project("exec", "-T", "db", "sh", "-c", "echo shared > /data/f")
    assert project("exec", "-T", "app", "cat", "/shared/f") == "shared"
    assert project("exec", "-T", "db", "cat", "/plain/f") == "shared"


def test_the_volume_is_named_after_the_project_and_labelled(project):
    volume = project.lab.client.volumes.get(f"{project.name}_data")
    assert volume.attrs["Labels"]["com.docker.compose.project"] == project.name
    assert volume.attrs["Labels"]["com.docker.compose.volume"] == "data"


def test_a_bind_is_relative_to_the_file_and_read_only(project):
    said = project("exec", "-T", "db", "sh", "-c", "cat /conf/setting; touch /conf/f 2>&1; true")
    assert said == "ontouch: /conf/f: Read-only file system"


def test_a_tmpfs_has_its_size(project):
    said = project(
        "exec", "-T", "db", "sh", "-c", "dd if=/dev/zero of=/scratch/f bs=3000 2>/dev/null; wc -c < /scratch/f"
    )
    assert said == "1048576"


def test_run_makes_a_container_for_one_command(project):
    assert project("run", "--rm", "-T", "--no-deps", "app", "sh", "-c", "echo $MODE; ls -d /shared") == "test\n/shared"


def test_run_of_a_job(project):
    project("run", "--rm", "-T", "once")
    assert project("exec", "-T", "app", "cat", "/shared/once") == "done"


def test_cp_both_ways(project):
    file = project.lab.folder / "copy"
    file.write_text("copied")
    project("cp", str(file), "app:/shared/copy")
    project("cp", "db:/data/copy", str(project.lab.folder / "back"))
    assert (project.lab.folder / "back").read_text() == "copied"


def test_logs(project):
    project("run", "--name", f"{project.name}-said", "-T", "--no-deps", "app", "echo", "hello from run")
    assert "hello from run" in project.lab.docker("logs", f"{project.name}-said")


def test_volumes_lists_the_projects_own(project):
    assert f"{project.name}_data" in project("volumes", "--quiet").split()


def test_up_again_changes_nothing(project):
    before = project("ps", "--quiet")
    project("up", "--detach")
    assert project("ps", "--quiet") == before


def test_restart_and_stop_keep_the_data(project):
    project("exec", "-T", "db", "sh", "-c", "echo kept > /data/kept")
    project("restart", "--timeout=0", "app")
    assert project("exec", "-T", "app", "cat", "/shared/kept") == "kept"


def test_config_shows_what_it_understood(project):
    config = json.loads(project("config", "--format", "json"))
    assert config["services"]["db"]["volumes"][0]["source"] == "data"


def test_a_new_container_keeps_its_anonymous_volume(project):
    project("exec", "-T", "app", "touch", "/anonymous/f")
    project("up", "--detach", "--force-recreate", "--no-deps", "--timeout=0", "app")
    assert project("exec", "-T", "app", "ls", "/anonymous") == "f"


def test_down_keeps_volumes_and_down_v_removes_them(lab):
    project = Project(lab)
    project("up", "--detach")
    project("exec", "-T", "app", "sh", "-c", "echo kept > /shared/f")
    project("down", "--timeout=0")
    assert [thing.name for thing in lab.left()] == [f"{project.name}_data"]
    project("up", "--detach")
    assert project("exec", "-T", "app", "cat", "/shared/f") == "kept"
    project("down", "--volumes", "--timeout=0")
    assert lab.left() == []


def waiting(lab, condition, **dependency):
    """A service that starts when another is as it should be."""
    alike = {"image": "busybox:1.37", "labels": lab.labels, "network_mode": "none", "init": True}
    app = {**alike, "command": FOREVER, "depends_on": {"first": {"condition": condition}}}
    project = Project(lab)
    (lab.folder / "compose.yaml").write_text(json.dumps({"services": {"first": {**alike, **dependency}, "app": app}}))
    return project


def test_what_never_gets_healthy_holds_back_what_needs_it(lab):
    check = {"test": "false", "interval": "50ms", "retries": 2}
    project = waiting(lab, "service_healthy", command=FOREVER, healthcheck=check)
    said = lab.cli(*project.command("up", "--detach")).stderr
    assert f"dependency failed to start: container {project.name}-first-1 is unhealthy" in said
    assert project("ps", "--services").split() == ["first"]
    project("down", "--timeout=0")


def test_what_must_complete_first(lab):
    project = waiting(lab, "service_completed_successfully", command="sh -c 'exit 0'")
    project("up", "--detach")
    assert project("ps", "--services").split() == ["app"]
    project("down", "--timeout=0")


def test_what_did_not_complete_holds_back_what_needs_it(lab):
    project = waiting(lab, "service_completed_successfully", command="sh -c 'exit 3'")
    said = lab.cli(*project.command("up", "--detach")).stderr
    assert 'service "first" didn\'t complete successfully: exit 3' in said
    assert project("ps", "--services") == ""
    project("down", "--timeout=0")


def test_a_project_with_an_external_volume(lab):
    volume = lab.volume()
    file = {
        "services": {"a": {"image": "busybox:1.37", "command": FOREVER, "labels": lab.labels, "network_mode": "none",
                           "init": True, "volumes": ["kept:/d"]}},
        "volumes": {"kept": {"external": True, "name": volume.name}},
    }  # fmt: skip
    project = Project(lab)
    (lab.folder / "compose.yaml").write_text(json.dumps(file))
    project("up", "--detach")
    project("down", "--volumes", "--timeout=0")
    assert [thing.name for thing in lab.left()] == [volume.name]


def test_an_external_volume_that_is_not_there(lab):
    file = {
        "services": {"a": {"image": "busybox:1.37", "labels": lab.labels, "volumes": ["kept:/d"]}},
        "volumes": {"kept": {"external": True, "name": "vdc-nope"}},
    }
    project = Project(lab)
    (lab.folder / "compose.yaml").write_text(json.dumps(file))
    done = lab.cli("compose", "--project-directory", str(lab.folder), "-p", project.name, "up", "--no-start")
    lab.cli("compose", "--project-directory", str(lab.folder), "-p", project.name, "down")
    assert 'external volume "vdc-nope" not found' in done.stderr
