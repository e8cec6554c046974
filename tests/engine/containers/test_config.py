"""Config and HostConfig: checked, merged with the image's, completed."""

import pytest

from voldemo.engine.containers import config, hostconfig
from voldemo.engine.errors import BadParameter

IMAGE = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Entrypoint": ["run"], "WorkingDir": "/w", "Labels": {"x": "1"}}


def merged(body, image=IMAGE):
    return config.merge(config.requested(body), image)


def test_an_image_gives_what_the_client_leaves_open():
    made = merged({})
    assert (made["Cmd"], made["Entrypoint"], made["WorkingDir"]) == (["sh"], ["run"], "/w")


def test_an_entrypoint_of_ones_own_drops_the_images_cmd():
    made = merged({"Entrypoint": ["mine"]})
    assert (made["Entrypoint"], made["Cmd"]) == (["mine"], None)


def test_an_empty_entrypoint_drops_the_images():
    assert merged({"Entrypoint": [""], "Cmd": ["true"]})["Entrypoint"] is None


def test_env_of_the_client_counts():
    assert merged({"Env": ["A=2", "B=3"]})["Env"] == ["A=2", "B=3", "PATH=/bin"]


def test_no_command():
    with pytest.raises(BadParameter, match="^no command specified$"):
        merged({}, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"WorkingDir": "a"}, "the working directory 'a' is invalid, it needs to be an absolute path"),
        ({"Env": ["=x"]}, "invalid environment variable: =x"),
        ({"StopSignal": "FOO"}, "invalid signal: FOO"),
        ({"Healthcheck": {"Test": ["CMD"], "Interval": 1}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Cmd": 5}, "invalid JSON: json: cannot unmarshal number into Go struct field Cmd of type []string"),
    ],
)
def test_what_is_refused(body, said):
    with pytest.raises(BadParameter) as caught:
        config.requested(body)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ({"RestartPolicy": {"Name": "foo"}}, "invalid restart policy: unknown policy 'foo'"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 1}}, "can only be used with 'on-failure'"),
        ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "can't create 'AutoRemove' container"),
        ({"Memory": 1024}, "Minimum memory limit allowed is 6MB"),
        ({"PortBindings": {"80/foo": []}}, 'invalid port specification: "80/foo"'),
        ({"PortBindings": {"80/tcp": [{"HostPort": "70000"}]}}, 'invalid port specification: "70000"'),
        ({"PortBindings": {"80/tcp": "x"}}, "cannot unmarshal string"),
        ({"ExtraHosts": ["bad"]}, 'bad format for add-host: "bad"'),
        ({"LogConfig": {"Type": "foo"}}, 'error looking up logging plugin foo: plugin "foo" not found'),
        ({"LogConfig": {"Config": {"foo": "1"}}}, "unknown log opt 'foo' for json-file log driver"),
    ],
)
def test_what_of_the_host_is_refused(host, said):
    with pytest.raises(BadParameter) as caught:
        config.check_host(host)
    assert said in str(caught.value)


def test_defaults():
    host = hostconfig.complete({"NetworkMode": "default", "Memory": 100, "Binds": None})
    assert (host["NetworkMode"], host["MemorySwap"], host["Binds"]) == ("bridge", 200, None)
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert hostconfig.complete({})["MaskedPaths"] is not hostconfig.DEFAULTS["MaskedPaths"]
