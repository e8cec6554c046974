import gzip
import tarfile
from contextlib import suppress

import pytest

from engine.build.conftest import tar_of
from voldemo.engine.errors import EngineError


def streamed(messages) -> list[str]:
    return [each["stream"].rstrip("\n") for each in messages if "stream" in each]


def test_the_stream_is_the_classic_builder_s(lab):
    base = lab.store.images.get("base").id[7:19]
    said = lab.build("FROM base", "ENV A=b", tags=("made:1",))
    made = lab.store.images.get("made:1").id
    assert streamed(said) == [
        "Step 1/2 : FROM base",
        f" ---> {base}",
        "Step 2/2 : ENV A=b",
        f" ---> {made[7:19]}",
        f"Successfully built {made[7:19]}",
        "Successfully tagged made:1",
    ]
    assert said[-3] == {"aux": {"ID": made}}


def test_settings(lab):
    config = lab.image(
        "FROM base",
        'ENV A=b C="d e"',
        "ENV X y z",
        "WORKDIR /w",
        "WORKDIR $A",
        "USER www",
        "VOLUME /v ${A}",
        "EXPOSE 80 90-91/udp",
        "LABEL a=$A 'c d'=e",
        "STOPSIGNAL SIGINT",
        'SHELL ["/bin/sh", "-ec"]',
        "ENTRYPOINT e x",
        "HEALTHCHECK --interval=1m30s --retries=2 CMD true",
        "ONBUILD RUN x",
    ).config["config"]
    assert config["Env"] == ["PATH=/bin", "A=b", "C=d e", "X=y z"]
    assert config["WorkingDir"] == "/w/b"
    assert config["User"] == "www"
    assert config["Volumes"] == {"/v": {}, "b": {}}
    assert set(config["ExposedPorts"]) == {"80/tcp", "90/udp", "91/udp"}
    assert config["Labels"] == {"a": "b", "c d": "e"}
    assert config["Entrypoint"] == ["/bin/sh", "-ec", "e x"]
    assert config["Cmd"] is None  # the base's was for another entry point
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 90 * 10**9, "Retries": 2}
    assert config["OnBuild"] == ["RUN x"]


@pytest.mark.parametrize("port", ["x", "0", "65536", "9-8", "80/icmp", "-1"])
def test_ports_that_are_none(lab, port):
    assert lab.error("FROM base", f"EXPOSE {port}") == f"Invalid containerPort: {port}"


def test_a_pair_does_not_see_its_own_line(lab):
    env = lab.image("FROM base", "ENV A=1", "ENV A=2 B=$A").config["config"]["Env"]
    assert env[-2:] == ["A=2", "B=1"]


def test_history(lab):
    image = lab.image("FROM base", "ENV A=b", "COPY f /x", "WORKDIR /w", 'CMD ["a"]', files={"f": b"1"})
    steps = [step["created_by"] for step in image.config["history"]]
    assert steps[0] == "/bin/sh -c #(nop)  ENV A=b"
    assert steps[1].startswith("/bin/sh -c #(nop) COPY file:")
    assert steps[1].endswith(" in /x ")
    assert steps[2:] == ["/bin/sh -c #(nop) WORKDIR /w", '/bin/sh -c #(nop)  CMD ["a"]']
    assert [step.get("empty_layer", False) for step in image.config["history"]] == [True, False, False, True]
    assert len(image.layers) == 3


def test_arguments(lab):
    lines = ("ARG B=base", "FROM $B", "ARG B", "ARG C=${B}!", "ENV X=$B Y=$C Z=$D")
    assert lab.image(*lines).config["config"]["Env"][1:] == ["X=base", "Y=base!", "Z="]
    given = {"C": "given", "D": "no"}
    said = lab.build(*lines, arguments=given)
    assert "[Warning] One or more build-args [D] were not consumed" in streamed(said)
    assert lab.image(*lines, arguments=given).config["config"]["Env"][2] == "Y=given"


def test_a_predefined_argument_needs_no_arg(lab):
    said = lab.build("FROM base", "ENV P=$HTTP_PROXY", arguments={"HTTP_PROXY": "http://p"})
    assert not any("not consumed" in line for line in streamed(said))


# -- files


def test_copy_gives_files_to_root_and_keeps_modes(lab):
    found = lab.root("FROM base", "COPY f /f", files={"f": b"1"}).lookup("/f")
    assert (found.uid, found.gid, found.mode) == (0, 0, 0o640)


@pytest.mark.parametrize(
    ("chown", "owner"), [("www", (33, 35)), ("33:50", (33, 50)), ("www:root", (33, 0)), ("1234", (1234, 1234))]
)
def test_copy_to_an_owner(lab, chown, owner):
    found = lab.root("FROM base", f"COPY --chown={chown} f /f", files={"f": b"1"}).lookup("/f")
    assert (found.uid, found.gid) == owner


def test_copy_to_an_owner_who_is_not_there(lab):
    said = lab.error("FROM base", "COPY --chown=nobody f /f", files={"f": b"1"})
    assert said.endswith("can't find uid for user nobody: no such user: nobody")


def test_directories_above_keep_what_they_are(lab):
    root = lab.root("FROM base", "COPY f /secret/f", files={"f": b"1"})
    found = root.lookup("/secret")
    assert (found.uid, found.gid, found.mode) == (7, 8, 0o700)


@pytest.mark.parametrize(
    ("copy", "there"),
    [
        ("COPY f /x", ["/x"]),
        ("COPY f /x/", ["/x/f"]),
        ("COPY f /etc", ["/etc/f"]),
        ("COPY f /link/", ["/etc/f"]),
        ("COPY f g /x/", ["/x/f", "/x/g"]),
        ("COPY d /x", ["/x/a", "/x/sub/b"]),
        ("COPY d/ /x/", ["/x/a", "/x/sub/b"]),
        ("COPY d/s* /x/", ["/x/b"]),
        ("COPY [fg] /x/", ["/x/f", "/x/g"]),
        ("COPY *.t?t /x/", ["/x/z.txt"]),
        ("COPY . /x", ["/x/f", "/x/d/sub/b", "/x/Dockerfile"]),
        ('COPY ["f", "/a b"]', ["/a b"]),
        ("WORKDIR /w\nCOPY f .", ["/w/f"]),
        ("WORKDIR /w\nCOPY f x/", ["/w/x/f"]),
        ("ENV D=/deep\nCOPY f $D/$D", ["/deep/deep"]),
        ("COPY ../f /x", []),
    ],
)
def test_where_copy_puts_things(lab, copy, there):
    files = {"f": b"1", "g": b"2", "d/a": b"3", "d/sub/b": b"4", "z.txt": b"5"}
    if not there:
        assert "forbidden path outside the build context" in lab.error("FROM base", copy, files=files)
        return
    root = lab.root("FROM base", *copy.split("\n"), files=files)
    for path in there:
        assert root.lookup(path).is_file


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        ("COPY no /x", "COPY failed: file not found in build context or excluded by .dockerignore: stat no: file does"),
        ("COPY no* /x/", "COPY failed: no source files were specified"),
        ("COPY f d /x", "When using COPY with more than one source file, the destination must be a directory"),
        ("COPY * /x", "When using COPY with more than one source file"),
        ("COPY f /etc/passwd/x", "failed to copy files: "),
        ("ADD http://127.0.0.1/x /x", "ADD failed: fetching http://127.0.0.1/x while building is not part of this"),
        ("COPY --chmod=600 f /x", "the --chmod option requires BuildKit"),
        ("COPY --from=7 f /x", "invalid from flag value 7: invalid stage index"),
        ("COPY --from=nope:1 f /x", "invalid from flag value nope:1: No such image: nope:1"),
    ],
)
def test_what_copy_says(lab, copy, said):
    assert lab.error("FROM base", copy, files={"f": b"1", "d/a": b"2"}).startswith(said)


def test_a_link_of_the_context_does_not_lead_out(lab, tmp_path):
    (tmp_path / "outside").write_text("secret")
    link = tarfile.TarInfo("out")
    link.type, link.linkname = tarfile.SYMTYPE, f"../../../../../../..{tmp_path}/outside"
    assert "file not found in build context" in lab.error("FROM base", "COPY out /x", files={"out": link})


def test_a_link_inside_is_followed_when_named_and_copied_when_found(lab):
    link = tarfile.TarInfo("l")
    link.type, link.linkname = tarfile.SYMTYPE, "f"
    root = lab.root("FROM base", "COPY l /x", "COPY . /all/", files={"f": b"1", "l": link})
    assert root.lookup("/x", follow=False).is_file
    assert root.lookup("/all/l", follow=False).link == b"f"


@pytest.mark.parametrize("name", ["../up", "/../up", "a/../../up"])
def test_a_context_that_climbs_out(lab, tmp_path, name):
    with suppress(EngineError):
        lab.build(tar=tar_of({"Dockerfile": b"FROM base\nCOPY . /x/\n", name: b"1"}))
    assert [path for path in tmp_path.rglob("up") if "engine/layers/" not in str(path)] == []
    assert not (lab.store.root / "tmp" / "up").exists()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_add_unpacks_a_tar_with_its_owners(lab, pack):
    owned = tarfile.TarInfo("in/f")
    owned.uid, owned.size = 77, 0
    root = lab.root("FROM base", "ADD a.tar /t", files={"a.tar": pack(tar_of({"in/f": owned}))})
    assert root.lookup("/t/in/f").uid == 77


def test_add_copies_what_is_no_tar(lab):
    root = lab.root("FROM base", "ADD a.gz /t/", files={"a.gz": gzip.compress(b"text")})
    assert root.lookup("/t/a.gz").is_file


def test_copy_does_not_unpack(lab):
    root = lab.root("FROM base", "COPY a.tar /t/", files={"a.tar": tar_of({"f": b"1"})})
    assert root.lookup("/t/a.tar").is_file


def test_dockerignore(lab):
    files = {".dockerignore": b"*\n!keep\n!d/k\nDockerfile\n", "keep": b"1", "skip": b"2", "d/k": b"3", "d/s": b"4"}
    root = lab.root("FROM base", "COPY . /x/", files=files)
    assert {found.path for found in root.walk("/x")} == {b"/x", b"/x/keep", b"/x/d", b"/x/d/k"}


# -- stages


def test_stages(lab):
    root = lab.root(
        "FROM base AS one", "COPY f /1", "FROM one", "COPY f /2", "FROM scratch", "COPY --from=ONE /1 /a/",
        "COPY --from=1 /2 /b", "COPY --from=base /etc/passwd /p", files={"f": b"1"},
    )  # fmt: skip
    assert {found.path for found in root.walk("/")} == {b"/", b"/a", b"/a/1", b"/b", b"/p"}


def test_a_target_leaves_out_the_rest(lab):
    image = lab.image("FROM base AS one", "ENV A=1", "FROM nowhere", target="one")
    assert "A=1" in image.config["config"]["Env"]


def test_from_scratch_alone_is_nothing(lab):
    assert lab.error("FROM scratch") == "No image was generated. Is your Dockerfile empty?"


def test_a_base_that_is_not_there(lab):
    assert lab.error("FROM nope:1") == "No such image: nope:1"
    assert lab.error("FROM $NOPE") == "base name ($NOPE) should not be blank"


def test_triggers_run_in_the_image_on_top(lab):
    lab.build("FROM base", "ONBUILD COPY f /from-trigger", tags=("trigger:1",))
    said = lab.build("FROM trigger:1", "ENV A=b", files={"f": b"1"}, tags=("top:1",))
    assert "# Executing 1 build trigger" in streamed(said)
    image = lab.store.images.get("top:1")
    assert "OnBuild" not in image.config["config"]
    assert len(image.layers) == 2


# -- the cache


def cached(messages) -> int:
    return streamed(messages).count(" ---> Using cache")


def test_the_same_steps_are_not_done_again(lab):
    lines = ("FROM base", "ENV A=b", "COPY f /x", "WORKDIR /w")
    first = lab.image(*lines, files={"f": b"1"})
    assert cached(lab.build(*lines, files={"f": b"1"})) == 3
    assert lab.image(*lines, files={"f": b"1"}).id == first.id


def test_other_content_is_another_step_and_all_after_it(lab):
    lines = ("FROM base", "ENV A=b", "COPY f /x", "ENV C=d")
    lab.build(*lines, files={"f": b"1"})
    assert cached(lab.build(*lines, files={"f": b"2"})) == 1


def test_another_date_is_the_same_content(lab):
    later = tarfile.TarInfo("f")
    later.mtime, later.mode = 10**9, 0o640
    lab.build("FROM base", "COPY f /x", files={"f": b""})
    assert cached(lab.build("FROM base", "COPY f /x", files={"f": later})) == 1


def test_what_only_reads_the_same_is_another_step(lab):
    lab.build("FROM base", 'LABEL a="b c=d"')
    assert cached(lab.build("FROM base", "LABEL a=b c=d")) == 0


def test_without_the_cache(lab):
    lab.build("FROM base", "ENV A=b")
    assert cached(lab.build("FROM base", "ENV A=b", use_cache=False)) == 0


def test_an_argument_given_otherwise_is_another_step(lab):
    lines = ("FROM base", "ARG A=1", "ENV B=$A", "COPY f /x")
    lab.build(*lines, files={"f": b"1"})
    assert cached(lab.build(*lines, files={"f": b"1"}, arguments={"A": "2"})) == 1


# -- what is left


def test_nothing_of_a_build_stays_behind(lab):
    lab.build("FROM base", "COPY f /x", files={"f": b"1"})
    lab.error("FROM base", "COPY no /x")
    assert list((lab.store.root / "tmp").iterdir()) == []


def test_the_same_files_give_the_same_layer(lab):
    lines = ("FROM base", "COPY f /x")
    first = lab.image(*lines, files={"f": b"1"}, use_cache=False)
    second = lab.image(*lines, files={"f": b"1"}, use_cache=False)
    assert first.layers == second.layers


def test_a_context_that_is_no_tar(lab):
    with pytest.raises(EngineError):
        lab.build(tar=b"no tar at all" * 100)


def test_a_tar_that_ends_too_soon(lab):
    whole = tar_of({"Dockerfile": b"FROM base\n", "f": b"x" * 5000})
    with pytest.raises(EngineError):
        lab.build(tar=whole[:3000])


def test_dates_of_files_are_kept(lab):
    dated = tarfile.TarInfo("f")
    dated.mtime = 1_234_567_890
    root = lab.root("FROM base", "COPY f /x", files={"f": dated})
    assert root.lookup("/x").mtime_ns == dated.mtime * 10**9


def test_a_file_takes_the_place_of_a_directory(lab):
    root = lab.root("FROM base", "COPY d /", "COPY e /", files={"d/x/deep": b"1", "e/x": b"2"})
    assert root.lookup("/x").is_file
