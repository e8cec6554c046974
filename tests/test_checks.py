"""Each check in its four cases: done, done another way, not done, done wrong. All on the real engine."""

from __future__ import annotations

import io
import os
import subprocess

import pytest

from voldemo import checks, exercises, sandbox
from voldemo.checks import Check, Row
from voldemo.exercises import name
from voldemo.images import BUSYBOX


@pytest.fixture
def engine(client):
    yield client
    exercises.clear(client)


def do(*commands: str) -> None:
    """What a learner types, in the environment that `connect()` leaves."""
    environment = {**os.environ, "LABEL": sandbox.exercise_label()}
    for command in commands:
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
        assert not done.returncode, f"{command}: {done.stderr}"


def build(client, dockerfile: str) -> None:
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), labels=exercises.labels(), rm=True)


def wrong(check: Check) -> dict[str, str]:
    """What was looked at and found wrong, and what was seen there."""
    return {row.looked_at: row.saw for row in check.rows if not row.right}


VOLUME = "docker volume create --label $LABEL notes-here"
NOTE = f"docker run --rm --network none -v notes-here:/d {BUSYBOX} sh -c 'echo hello > /d/note'"
SUM = "dd if=/dev/zero of=/big bs=1M count=20 && sha256sum /big | cut -d' ' -f1 > /result && rm /big"


class TestFirstVolume:
    def test_right(self, engine):
        do(VOLUME, NOTE)
        assert checks.first_volume(engine).done

    def test_another_route(self, engine):
        volume = engine.volumes.create(labels=exercises.labels(), name="by-the-sdk")
        container = engine.containers.create(BUSYBOX, volumes=[f"{volume.name}:/elsewhere"], network_mode="none")
        do(f"echo hello > /tmp/note-$$ && docker cp /tmp/note-$$ {container.id}:/elsewhere/note; rm /tmp/note-$$")
        container.remove()
        assert checks.first_volume(engine).done

    def test_not_done(self, engine):
        assert wrong(checks.first_volume(engine))["docker volume ls --filter label=$LABEL"] == "-"

    def test_wrong_container_still_there(self, engine):
        do(VOLUME, NOTE.replace("--rm", "--label $LABEL --name still-here"))
        assert list(wrong(checks.first_volume(engine)).values()) == ["still-here"]

    def test_wrong_only_anonymous(self, engine):
        container = engine.containers.create(
            BUSYBOX, mounts=[{"Type": "volume", "Target": "/d", "VolumeOptions": {"Labels": exercises.labels()}}]
        )
        container.remove()
        assert not checks.first_volume(engine).done


class TestSlimImage:
    def test_right(self, engine):
        build(engine, f"FROM {BUSYBOX}\nRUN {SUM}\n")
        assert checks.slim_image(engine).done

    def test_another_route_in_two_stages(self, engine):
        build(engine, f"FROM {BUSYBOX} AS sum\nRUN {SUM}\nFROM {BUSYBOX}\nCOPY --from=sum /result /result\n")
        assert checks.slim_image(engine).done

    def test_another_route_without_a_shell_in_the_image(self, engine):
        build(engine, f"FROM {BUSYBOX} AS sum\nRUN {SUM}\nFROM scratch\nCOPY --from=sum /result /result\n")
        assert checks.slim_image(engine).done

    def test_not_done(self, engine):
        assert wrong(checks.slim_image(engine)) == {"docker image ls --filter label=$LABEL": "-"}

    def test_wrong_deleted_later(self, engine):
        build(engine, f"FROM {BUSYBOX}\nRUN {SUM.removesuffix(' && rm /big')}\nRUN rm /big\n")
        assert list(wrong(checks.slim_image(engine))) == ["docker history"]

    def test_an_earlier_wrong_one_does_not_count(self, engine):
        build(engine, f"FROM {BUSYBOX}\nRUN echo wrong > /result\n")
        build(engine, f"FROM {BUSYBOX}\nRUN {SUM}\n")
        assert checks.slim_image(engine).done

    def test_wrong_sum(self, engine):
        build(engine, f"FROM {BUSYBOX}\nRUN echo 42 > /result; touch /big\n")
        assert wrong(checks.slim_image(engine)) == {"/result": "42", "/big": "/big"}


class TestAllKinds:
    def test_right(self, engine):
        do(f"docker run --label $LABEL --network none {BUSYBOX} sh -c 'touch /new; rm /etc/passwd'")
        assert checks.all_kinds(engine).done

    def test_another_route(self, engine):
        container = engine.containers.create(BUSYBOX, ["rm", "/etc/group"], labels=exercises.labels())
        do(f"echo x > /tmp/f-$$ && docker cp /tmp/f-$$ {container.id}:/new; rm /tmp/f-$$")
        container.start()
        container.wait()
        assert checks.all_kinds(engine).done

    def test_not_done(self, engine):
        assert wrong(checks.all_kinds(engine)) == {"docker diff": "-"}

    def test_wrong_nothing_deleted(self, engine):
        do(f"docker run --label $LABEL --network none {BUSYBOX} touch /etc/new")
        assert wrong(checks.all_kinds(engine)) == {"docker diff": "A, C"}

    def test_wrong_spread_over_two_containers(self, engine):
        for script in ("touch /etc/new", "rm /etc/passwd"):
            do(f"docker run --label $LABEL --network none {BUSYBOX} {script}")
        assert not checks.all_kinds(engine).done


def guard(mounts: str, volume: str = "docker volume create --label $LABEL guard") -> None:
    do(volume, f"docker run -d --label $LABEL --network none {mounts} {BUSYBOX} sleep 100")


class TestGuarded:
    def test_right(self, engine):
        guard("-v guard:/data:ro --tmpfs /scratch:size=1m")
        assert checks.guarded(engine).done

    def test_another_route(self, engine):
        guard("--mount src=guard,dst=/data,readonly --mount type=tmpfs,dst=/scratch,tmpfs-size=524288")
        assert checks.guarded(engine).done

    def test_not_done(self, engine):
        assert wrong(checks.guarded(engine)) == {"docker ps --filter label=$LABEL": "-"}

    def test_wrong_writable(self, engine):
        guard("-v guard:/data --tmpfs /scratch:size=1m")
        assert wrong(checks.guarded(engine)) == {"/data": "rw"}

    def test_wrong_unlimited_tmpfs(self, engine):
        guard("-v guard:/data:ro --tmpfs /scratch")
        assert list(wrong(checks.guarded(engine))) == ["/scratch"]

    def test_wrong_bind_and_no_tmpfs(self, engine):
        guard("-v /usr:/data:ro")
        assert set(wrong(checks.guarded(engine))) == {"/data", "/scratch"}

    def test_the_best_of_several_counts(self, engine):
        guard("-v guard:/data")
        guard("-v guard:/data:ro --tmpfs /scratch:size=1m")
        assert checks.guarded(engine).done


class TestWritableVolume:
    def test_right(self, engine):
        do("docker volume create --label $LABEL ww", f"docker run --rm --network none -v ww:/d {BUSYBOX} chown 1001 /d")
        assert checks.writable_volume(engine).done

    def test_another_route_filled_from_an_image(self, engine):
        build(engine, f"FROM {BUSYBOX}\nRUN mkdir /d && chown 1001 /d\n")
        (image,) = engine.images.list(filters={"label": sandbox.exercise_label()})
        do("docker volume create --label $LABEL ww", f"docker run --rm --network none -v ww:/d {image.id} true")
        assert checks.writable_volume(engine).done

    def test_another_route_by_group(self, engine):
        script = "chown 0:1001 /d; chmod 775 /d"
        do(
            "docker volume create --label $LABEL ww",
            f"docker run --rm --network none -v ww:/d {BUSYBOX} sh -c '{script}'",
        )
        assert checks.writable_volume(engine).done

    def test_not_done(self, engine):
        assert list(wrong(checks.writable_volume(engine))) == ["docker volume ls --filter label=$LABEL"]

    def test_wrong_open_to_everybody(self, engine):
        do("docker volume create --label $LABEL ww", f"docker run --rm --network none -v ww:/d {BUSYBOX} chmod 777 /d")
        assert wrong(checks.writable_volume(engine)) == {"stat -c %a": "777, uid 0"}

    def test_wrong_untouched(self, engine):
        do("docker volume create --label $LABEL ww")
        assert wrong(checks.writable_volume(engine)) == {"touch, uid 1001": "✗"}


class TestUnused:
    @pytest.fixture(autouse=True)
    def _stage(self, engine):
        exercises.unused(engine)

    def test_right(self, engine):
        do(f"docker volume rm {name('cache')} {name('scratch')}")
        assert checks.unused(engine).done

    def test_another_route(self, engine):
        asked = {"label": [sandbox.exercise_label()], "label!": ["keep=yes"], "all": ["true"]}
        if engine.api.api_version < "1.42":
            del asked["all"]
        engine.volumes.prune(filters=asked)
        assert checks.unused(engine).done

    def test_not_done(self, engine):
        assert wrong(checks.unused(engine)) == {name("cache"): "✓", name("scratch"): "✓"}

    def test_wrong_too_much(self, engine):
        do(f"docker volume rm {name('cache')} {name('scratch')} {name('archive')}")
        assert wrong(checks.unused(engine)) == {name("archive"): "-"}

    def test_setting_the_stage_again_adds_no_second_container(self, engine):
        exercises.unused(engine)
        assert len(engine.containers.list(all=True, filters={"volume": name("orders")})) == 1


class TestRenamed:
    @pytest.fixture(autouse=True)
    def _stage(self, engine):
        self.old = exercises.rename(engine)
        self.COPY = f"docker run --rm --network none -v {self.old}:/from:ro -v vd-next:/to {BUSYBOX} sh -c"
        do("docker volume create --label $LABEL vd-next")

    def test_right(self, engine):
        do(f"{self.COPY} 'cp -a /from/. /to/'", f"docker volume rm {self.old}")
        assert checks.renamed(engine).done

    def test_another_route(self, engine):
        do(f"{self.COPY} 'tar c -C /from . | tar x -C /to'", f"docker volume rm {self.old}")
        assert checks.renamed(engine).done

    def test_not_done(self, engine):
        assert wrong(checks.renamed(engine)) == {self.old: self.old, "find . -exec stat": "-"}

    def test_wrong_owners_lost(self, engine):
        do(f"{self.COPY} 'cp -r /from/. /to/'", f"docker volume rm {self.old}")
        assert list(wrong(checks.renamed(engine))) == ["find . -exec stat"]

    def test_wrong_old_one_kept(self, engine):
        do(f"{self.COPY} 'cp -a /from/. /to/'")
        assert wrong(checks.renamed(engine)) == {self.old: self.old}


@pytest.mark.parametrize("stage", [exercises.unused, exercises.rename])
def test_a_volume_of_the_learner_stops_the_stage_and_stays(engine, stage):
    taken = name({exercises.unused: "cache", exercises.rename: "old"}[stage])
    own = engine.volumes.create(taken)
    try:
        with pytest.raises(exercises.Sentence, match=taken):
            stage(engine)
        exercises.clear(engine)
        assert engine.volumes.get(taken).attrs == own.attrs
    finally:
        own.remove()


@pytest.mark.parametrize(("language", "verdict"), [("en", "Done"), ("ko", "완료")])
def test_a_check_says_what_it_expected_and_saw(language, verdict, monkeypatch):
    monkeypatch.setenv("VOLDEMO_LANG", language)
    check = Check((Row("docker diff", "A <C> D", "A, C & D", True),))
    assert verdict in str(check)
    page = check._repr_html_()
    assert "A &lt;C&gt; D" in page
    assert "A, C &amp; D" in page
