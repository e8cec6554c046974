import json
import threading

import pytest

from engine.registry.conftest import digest, tar_of
from engine.registry.pulling import error_of, pull_of, pulled, statuses
from voldemo.engine.bridge import Abandoned
from voldemo.engine.errors import Failed, Forbidden, NotFound, Unsupported
from voldemo.engine.registry import Credentials
from voldemo.engine.registry.manifest import DOCKER_LIST, OCI_INDEX
from voldemo.engine.store import Union

ONE, TWO = tar_of(a=b"1"), tar_of(b=b"22")


def image_of(store, registry, tag="1"):
    return store.images.find(f"127.0.0.1:{registry.port}/thing:{tag}")


def test_an_image_arrives_whole(store, registry):
    top = registry.image(ONE, TWO)
    said = statuses(pulled(store, registry))
    assert said[0] == "Pulling from thing"
    assert said[1:3] == ["Pulling fs layer"] * 2
    assert said.count("Pull complete") == 2
    assert said[-2:] == [
        f"Digest: {top}",
        f"Status: Downloaded newer image for 127.0.0.1:{registry.port}/thing:1",
    ]
    image = image_of(store, registry)
    assert Union(None, image.trees).read_file("/b") == b"22"
    assert image.digests == (f"127.0.0.1:{registry.port}/thing@{top}",)


def test_what_is_here_is_not_fetched_again(store, registry):
    registry.image(ONE)
    pulled(store, registry)
    registry.image(ONE, TWO, tag="2")
    assert statuses(pulled(store, registry, "2"))[1:3] == ["Already exists", "Pulling fs layer"]
    assert statuses(pulled(store, registry, "2"))[-1].startswith("Status: Image is up to date for")


def test_by_digest(store, registry):
    top = registry.image(ONE)
    pulled(store, registry, top)
    assert store.images.get(f"127.0.0.1:{registry.port}/thing@{top}").tags == ()


@pytest.mark.parametrize("kind", [DOCKER_LIST, OCI_INDEX, ""])
def test_of_a_list_this_machine_s(store, registry, kind):
    top = registry.image(ONE)
    other = {"digest": digest(b"no"), "size": 1, "platform": {"os": "linux", "architecture": "arm64"}}
    mine = {"digest": top, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}}
    registry.manifest({"schemaVersion": 2, "mediaType": kind, "manifests": [other, mine]}, "list")
    pulled(store, registry, "list")
    assert image_of(store, registry, "list") is not None
    registry.manifest({"schemaVersion": 2, "mediaType": kind, "manifests": [other]}, "other")
    with pytest.raises(NotFound, match="no matching manifest for linux/amd64 in the manifest list entries"):
        pulled(store, registry, "other")


def test_an_image_that_is_not_there(store, registry):
    with pytest.raises(NotFound, match="thing:1 not found: manifest unknown: manifest unknown"):
        pulled(store, registry)


def test_a_registry_that_is_not_there(store, registry):
    registry.port = 1
    with pytest.raises(Failed, match=r"dial tcp 127.0.0.1:1: connect: connection refused"):
        pulled(store, registry)


def test_an_image_one_may_not_see(store, registry):
    registry.answers["/v2/thing/manifests/1"] = (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
    with pytest.raises(Forbidden, match="pull access denied for 127.0.0.1"):
        pulled(store, registry)


def test_with_a_name_and_a_password(store, registry):
    registry.image(ONE)
    answer = registry.answers["/v2/thing/manifests/1"]

    def guarded(handler):
        known = handler.headers.get("Authorization") == "Basic bWU6c2VjcmV0"
        status, headers, body = answer if known else (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    registry.answers["/v2/thing/manifests/1"] = guarded
    assert statuses(pulled(store, registry, auth=Credentials("me", "secret")))[-1].startswith("Status: Downloaded")


def test_with_a_token(store, registry):
    registry.image(ONE)
    challenge = f'Bearer realm="{registry.url}/token?a=b",service="s",scope="repository:thing:pull"'
    answer = registry.answers["/v2/thing/manifests/1"]
    seen = []

    def guarded(handler):
        seen.append(handler.headers.get("Authorization"))
        status, body = (200, answer[2]) if seen[-1] == "Bearer t0k3n" else (401, b"")
        handler.send_response(status)
        handler.send_header("WWW-Authenticate", challenge)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    registry.answers["/v2/thing/manifests/1"] = guarded
    registry.answers["/token"] = (200, {}, json.dumps({"token": "t0k3n"}).encode())
    pulled(store, registry, auth=Credentials("me", "secret"))
    assert seen == [None, "Bearer t0k3n"]
    asked = next((path, headers) for _, path, headers in registry.asked if path.startswith("/token"))
    assert asked[0] == "/token?a=b&service=s&scope=repository%3Athing%3Apull"
    assert asked[1]["Authorization"] == "Basic bWU6c2VjcmV0"


def test_zstd_is_refused_with_a_sentence(store, registry):
    layer = registry.blob(b"x", "application/vnd.oci.image.layer.v1.tar+zstd")
    registry.image(ONE, layers=[layer])
    with pytest.raises(Unsupported, match="compressed with zstd"):
        pulled(store, registry)


def test_cancelled_while_the_registry_is_silent_nothing_stays(store, registry):
    layer = registry.blob(b"x" * 100, size=100)
    path = f"/v2/thing/blobs/{layer['digest']}"
    silent, go = threading.Event(), threading.Event()

    def stall(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        silent.set()
        go.wait(20)

    registry.answers[path] = stall
    registry.image(ONE, layers=[layer])
    pull = pull_of(store, registry)
    pull.resolve()
    blocks: list[bytes] = []
    thread = threading.Thread(target=pull.run, args=[blocks.append])
    thread.start()
    assert silent.wait(10)
    pull.cancel()
    thread.join(10)
    stopped = not thread.is_alive()
    go.set()
    thread.join()
    assert stopped
    assert not any(b'"error"' in block for block in blocks)
    assert store.images.list() == []
    assert list((store.root / "tmp").iterdir()) == []


def test_a_client_that_goes_away_stops_it(store, registry):
    registry.image(ONE)
    pull = pull_of(store, registry)
    pull.resolve()

    def gone(block):
        raise Abandoned("gone")

    with pytest.raises(Abandoned):
        pull.run(gone)
    assert store.images.list() == []


def test_errors_are_the_stream_s(store, registry):
    registry.image(ONE, layers=[{"digest": digest(b"lost"), "size": 4}])
    assert "the registry answered 404" in error_of(pulled(store, registry))
