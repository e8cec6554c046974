"""The engine itself: who it is, and how it says no."""

import json

import pytest


@pytest.fixture
def call(lab):
    """A plain request: method, path without version, and what requests takes."""
    api = lab.client.api

    def call(method, path, **options):
        return api.request(method, api.base_url + path, timeout=30, **options)

    return call


def test_ping(call):
    answer = call("GET", "/_ping")
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["Ostype"] == "linux"
    assert answer.headers["Api-Version"] >= "1.40"
    assert call("HEAD", "/_ping").status_code == 200


def test_the_status_comes_with_its_words(call):
    """docker-py's errors show them."""
    answers = [call("GET", "/_ping"), call("GET", "/volumes/no-such-volume"), call("GET", "/containers/no:such/json")]
    assert [answer.reason for answer in answers] == ["OK", "Not Found", "Not Found"]


def test_version(lab):
    version = lab.client.version()
    assert version["ApiVersion"] == lab.client.api._version
    assert version["MinAPIVersion"] == "1.24"
    assert (version["Os"], version["Arch"]) == ("linux", "amd64")


def test_info(lab):
    info = lab.client.info()
    assert info["OSType"] == "linux"
    assert info["ContainersRunning"] + info["ContainersPaused"] + info["ContainersStopped"] == info["Containers"]
    assert "local" in info["Plugins"]["Volume"]
    assert info["DockerRootDir"].startswith("/")
    assert (info["NCPU"] > 0, info["MemTotal"] > 0) == (True, True)


def test_a_page_that_is_not_there(call):
    answer = call("GET", "/v1.47/nope")
    assert (answer.status_code, answer.json()) == (404, {"message": "page not found"})


def test_an_old_version_is_answered(call):
    assert call("GET", "/v1.24/version").status_code == 200


def test_a_version_too_old(call):
    answer = call("GET", "/v1.10/version")
    assert answer.status_code == 400
    assert "client version 1.10 is too old. Minimum supported API version is 1.24" in answer.text


def test_a_version_too_new(call):
    answer = call("GET", "/v9.99/version")
    assert answer.status_code == 400
    assert "client version 9.99 is too new. Maximum supported API version is" in answer.json()["message"]


def test_a_body_that_is_no_json(call):
    answer = call("POST", "/v1.47/volumes/create", data="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "message" in answer.json()


def test_a_body_of_the_wrong_kind(call):
    answer = call("POST", "/v1.47/volumes/create", json={"Name": 7})
    assert answer.status_code == 400


def test_an_empty_body(call):
    answer = call("POST", "/v1.47/containers/create", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_a_body_that_is_not_called_json(call):
    answer = call("POST", "/v1.47/volumes/create", data="{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "unsupported Content-Type" in answer.json()["message"]


def test_filters_that_are_no_json(call):
    assert call("GET", "/v1.47/volumes", params={"filters": "nope"}).status_code == 400


def test_filters_come_in_two_shapes(lab, call):
    volume = lab.volume()
    for shape in ({"name": [volume.name]}, {"name": {volume.name: True}}):
        answer = call("GET", "/v1.47/volumes", params={"filters": json.dumps(shape)})
        assert [row["Name"] for row in answer.json()["Volumes"]] == [volume.name]


def test_a_client_that_leaves_does_no_harm(lab):
    for _ in range(5):
        lab.client.events().close()
    assert lab.client.ping()


def test_cli_version_names_both_sides(lab):
    said = lab.docker("version")
    assert "Client:" in said
    assert "Server:" in said


def test_cli_info(lab):
    assert "Server Version:" in lab.docker("info")
