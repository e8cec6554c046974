"""The classic builder."""

import pytest

from engine.conformance.lab import LABEL


@pytest.fixture
def build(lab):
    """Builds the lab's folder; gives the image's id, or with `code` what the CLI said."""

    def build(*lines, code=0, options=(), base="FROM busybox:1.37"):
        if lines:
            (lab.folder / "Dockerfile").write_text("\n".join([base, *lines]) + "\n")
        command = ("build", "--network=none", *options, str(lab.folder))
        if code:
            return lab.docker(*command, code=code)
        done = lab.cli(*command, "--quiet")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    return build


def write(lab, **files):
    for name, content in files.items():
        (lab.folder / name).write_text(content)


def test_run_changes_files(lab, build):
    assert lab.says("cat /f", image=build("RUN echo built > /f")) == "built"


def test_each_step_that_writes_is_a_layer(lab, build):
    base = lab.client.images.get("busybox:1.37").attrs["RootFS"]["Layers"]
    image = lab.client.images.get(build("RUN echo 1 > /1", "ENV A=b", "RUN echo 2 > /2"))
    assert len(image.attrs["RootFS"]["Layers"]) == len(base) + 2
    assert [row["Size"] for row in image.history()[1:4]] == [2, 0, 2]


def test_history_says_what_each_step_was(lab, build):
    rows = lab.client.images.get(build("ENV A=b", "RUN echo 1 > /1")).history()
    assert rows[1]["CreatedBy"] == "/bin/sh -c echo 1 > /1"
    assert rows[2]["CreatedBy"].startswith("/bin/sh -c #(nop)")
    assert "ENV A=b" in rows[2]["CreatedBy"]


def test_copy(lab, build):
    write(lab, one="1\n", two="2\n")
    assert lab.says("cat /d/one /d/two", image=build("COPY one two /d/")).split() == ["1", "2"]


def test_copy_belongs_to_root_or_to_whom_it_says(lab, build):
    write(lab, f="x")
    image = build("COPY f /a", "COPY --chown=33:50 f /b")
    assert lab.says("stat -c %u:%g /a /b", image=image).split() == ["0:0", "33:50"]


def test_copy_keeps_modes(lab, build):
    write(lab, f="x")
    (lab.folder / "f").chmod(0o751)
    assert lab.says("stat -c %a /f", image=build("COPY f /f")) == "751"


def test_copy_of_a_folder_copies_its_content(lab, build):
    (lab.folder / "d" / "e").mkdir(parents=True)
    (lab.folder / "d" / "e" / "f").write_text("x")
    assert lab.says("find /t | sort", image=build("COPY d /t")).split() == ["/t", "/t/e", "/t/e/f"]


def test_copy_of_what_is_not_there(build):
    said = build("COPY nope /", code=1)
    assert (
        "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist"
        in said
    )


def test_copy_cannot_reach_out_of_the_context(build):
    said = build("COPY ../secret /", code=1)
    assert "forbidden path outside the build context: ../secret" in said


def test_add_unpacks_a_tar(lab, build):
    lab.run("mkdir /x; echo x > /x/f; chown 7 /x/f; tar cf /d/a.tar -C / x", volumes=[f"{lab.folder}:/d"])
    assert lab.says("cat /t/x/f; stat -c %u /t/x/f", image=build("ADD a.tar /t/")).split() == ["x", "7"]


def test_dockerignore(lab, build):
    write(lab, keep="", skip="", also="", **{".dockerignore": "*\n!keep\n# no comment\n"})
    assert lab.says("ls -A /d", image=build("COPY . /d/")) == "keep"


def test_workdir_env_and_user(lab, build):
    image = build("ENV A=b", "WORKDIR /w/$A", "RUN echo x > f", "USER 33", "RUN id -u > /tmp/u")
    assert lab.says("pwd; cat f; id -u; cat /tmp/u; echo $A", image=image).split() == ["/w/b", "x", "33", "33", "b"]


def test_args(lab, build):
    lines = ("ARG A=default", "RUN echo $A > /f")
    assert lab.says("cat /f; echo $A", image=build(*lines)) == "default"
    assert lab.says("cat /f", image=build(*lines, options=("--build-arg", "A=given"))) == "given"


def test_an_arg_before_from(lab, build):
    image = build("RUN echo x > /f", base="ARG VERSION=1.37\nFROM busybox:$VERSION")
    assert lab.says("cat /f", image=image) == "x"


def test_cmd_and_entrypoint(lab, build):
    image = build('ENTRYPOINT ["echo", "a"]', 'CMD ["b"]')
    assert lab.client.containers.run(image, labels=lab.labels, network_mode="none") == b"a b\n"
    assert lab.client.containers.run(image, ["c"], labels=lab.labels, network_mode="none") == b"a c\n"


def test_shell_form_runs_in_a_shell(lab, build):
    config = lab.client.images.get(build("CMD echo $HOME")).attrs["Config"]
    assert config["Cmd"] == ["/bin/sh", "-c", "echo $HOME"]


def test_metadata(lab, build):
    lines = ("EXPOSE 80 53/udp", "VOLUME /v", "STOPSIGNAL SIGINT", "LABEL tier=hot", 'HEALTHCHECK CMD ["true"]')
    config = lab.client.images.get(build(*lines)).attrs["Config"]
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert config["Volumes"] == {"/v": {}}
    assert config["StopSignal"] == "SIGINT"
    assert config["Labels"] == {"tier": "hot", **lab.labels}
    assert config["Healthcheck"]["Test"] == ["CMD", "true"]


def test_what_run_writes_into_a_volume_is_lost(lab, build):
    """With BuildKit it stays; the classic builder threw it away."""
    image = build("RUN mkdir /v && echo before > /v/a", "VOLUME /v", "RUN echo after > /v/b")
    assert lab.says("ls -A /v", image=image) == "a"


def test_stages(lab, build):
    image = build(
        "RUN mkdir /out && echo made > /out/f && chown 7 /out/f",
        "FROM busybox:1.37",
        "COPY --from=make /out/f /f",
        base="FROM busybox:1.37 AS make",
    )
    assert lab.says("cat /f; ls -d /out", image=image).splitlines() == ["made", "ls: /out: No such file or directory"]


def test_a_stage_can_be_the_target(lab, build):
    image = build("RUN echo 1 > /f", "FROM busybox:1.37", base="FROM busybox:1.37 AS one", options=("--target", "one"))
    assert lab.says("cat /f", image=image) == "1"


def test_copy_from_another_image(lab, build):
    assert (
        lab.says("test -s /d/passwd && echo there", image=build("COPY --from=debian:13-slim /etc/passwd /d/"))
        == "there"
    )


def test_from_scratch(lab, build):
    write(lab, f="x")
    image = lab.client.images.get(build("COPY f /f", base="FROM scratch"))
    assert image.attrs["Size"] == 1
    assert len(image.attrs["RootFS"]["Layers"]) == 1


def test_the_same_build_again_is_the_same_image(lab, build):
    write(lab, f="x")
    lines = ("COPY f /f", "RUN head -c 9 /dev/urandom | md5sum > /t")
    assert build(*lines) == build(*lines)


def test_the_cache_ends_where_a_file_changed(lab, build):
    write(lab, f="x")
    lines = (
        "RUN head -c 9 /dev/urandom | md5sum > /before",
        "COPY f /f",
        "RUN head -c 9 /dev/urandom | md5sum > /after",
    )
    first = build(*lines)
    write(lab, f="y")
    second = build(*lines)
    before, after = (
        [lab.says(f"cat /{name}", image=image) for image in (first, second)] for name in ("before", "after")
    )
    assert before[0] == before[1]
    assert after[0] != after[1]


def test_a_changed_time_does_not_end_the_cache(lab, build):
    write(lab, f="x")
    first = build("COPY f /f")
    write(lab, f="x")
    assert build("COPY f /f") == first


def test_no_cache(lab, build):
    assert build("RUN true") != build("RUN true", options=("--no-cache",))


def test_a_step_that_fails(build):
    said = build("RUN exit 3", code=3)
    assert "The command '/bin/sh -c exit 3' returned a non-zero code: 3" in said


def test_an_unknown_instruction(build):
    said = build("COLOUR blue", code=1)
    assert "dockerfile parse error on line 2: unknown instruction: COLOUR" in said


def test_a_file_that_is_empty(lab, build):
    write(lab, Dockerfile="")
    assert "the Dockerfile (Dockerfile) cannot be empty" in build(code=1)


def test_an_image_with_the_builds_name(lab, build):
    name = lab.name()
    image = build("RUN true", options=("--tag", f"{name}:1", "--tag", name))
    assert sorted(lab.client.images.get(image).tags) == [f"{name}:1", f"{name}:latest"]


def test_it_tells_its_steps(lab, build):
    build("RUN true")
    said = lab.docker("build", "--network=none", str(lab.folder))
    assert "Step 1/3 : FROM busybox:1.37" in said
    assert " ---> Using cache" in said
    assert f"Step 3/3 : LABEL {LABEL}=" in said
    assert "Successfully built " in said


def test_a_dockerfile_elsewhere(lab, build):
    write(lab, Other="FROM busybox:1.37\nRUN echo other > /f\n")
    assert lab.says("cat /f", image=build(options=("--file", str(lab.folder / "Other")))) == "other"


def test_no_container_of_a_build_stays(lab, build):
    build("RUN echo x > /f")
    assert not [thing for thing in lab.left() if thing.kind == "container"]
