"""docker commit --change: instructions over a config."""

import pytest

from voldemo.engine.containers import commit
from voldemo.engine.errors import BadParameter


def changed(*lines, **config):
    commit.apply(config, list(lines))
    return config


def test_commands():
    assert changed("CMD a b")["Cmd"] == ["/bin/sh", "-c", "a b"]
    assert changed('ENTRYPOINT ["a", "b"]')["Entrypoint"] == ["a", "b"]


def test_env_and_labels():
    assert changed('ENV a=1 b="x y"', "ENV c d e", Env=["a=0"])["Env"] == ["a=1", "b=x y", "c=d e"]
    assert changed("LABEL a=b c='d e'")["Labels"] == {"a": "b", "c": "d e"}


def test_names():
    config = changed("EXPOSE 80 53/udp", "VOLUME /a /b", 'VOLUME ["/c"]')
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert list(config["Volumes"]) == ["/a", "/b", "/c"]


def test_the_rest():
    config = changed("USER 7", "WORKDIR /a", "WORKDIR b", "STOPSIGNAL INT", "ONBUILD RUN x")
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("7", "/a/b", "INT")
    assert config["OnBuild"] == ["RUN x"]


def test_healthcheck():
    check = changed("HEALTHCHECK --interval=100ms --retries=2 CMD true")["Healthcheck"]
    assert check == {"Test": ["CMD-SHELL", "true"], "Interval": 10**8, "Retries": 2}
    assert changed("HEALTHCHECK NONE")["Healthcheck"] == {"Test": ["NONE"]}


@pytest.mark.parametrize("line", ["FOO x", "RUN x", "FROM y", "CMD", "HEALTHCHECK --x=1 CMD y", "ENV a"])
def test_refused(line):
    with pytest.raises(BadParameter):
        changed(line)
