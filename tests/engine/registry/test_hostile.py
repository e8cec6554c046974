"""Registries that lie."""

import gzip

import pytest

from engine.registry.conftest import digest, tar_of
from engine.registry.pulling import error_of, pulled
from voldemo.engine.errors import BadParameter, EngineError, Failed
from voldemo.engine.registry.address import Registries, base_of, checked

ONE = tar_of(a=b"1")
BLOB = gzip.compress(ONE, mtime=0)


@pytest.fixture(autouse=True)
def nothing_stays(store):
    yield
    assert store.images.list() == []
    assert list((store.root / "tmp").iterdir()) == []
    assert store.layers.all() == []


def refused(store, registry, layer, body=None) -> str:
    if body is not None:
        registry.answers[f"/v2/thing/blobs/{layer['digest']}"] = body
    registry.image(ONE, layers=[layer])
    return error_of(pulled(store, registry))


def test_other_bytes_than_the_digest_says(store, registry):
    layer = registry.blob(BLOB)
    other = bytearray(BLOB)
    other[-1] ^= 1
    said = refused(store, registry, layer, (200, {}, bytes(other)))
    assert said == f"filesystem layer verification failed for digest {layer['digest']}"


def test_other_content_than_the_configuration_says(store, registry):
    assert refused(store, registry, registry.blob(gzip.compress(tar_of(a=b"2")))) != ""


def test_less_than_was_announced(store, registry):
    layer = registry.blob(BLOB)

    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BLOB)))
        handler.end_headers()
        handler.wfile.write(BLOB[:20])

    assert refused(store, registry, layer, cut) != ""


def test_less_than_the_manifest_says(store, registry):
    assert "unexpected EOF" in refused(store, registry, registry.blob(BLOB, size=len(BLOB) + 1))


def test_no_end(store, registry):
    layer = registry.blob(BLOB)

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 16))

    assert "sends more than the" in refused(store, registry, layer, endless)


@pytest.mark.parametrize("size", [1 << 39, (1 << 40) + 1, -1, 1.5, "9", None, True])
def test_sizes_that_cannot_be(store, registry, size):
    registry.image(ONE, layers=[registry.blob(BLOB, size=size)])
    try:
        said = error_of(pulled(store, registry))
    except EngineError as error:
        said = error.message
    assert "no space left on device" in said or "invalid size" in said
    assert not any("/blobs/" + digest(BLOB) in path for _, path, _ in registry.asked)


@pytest.mark.parametrize("bad", ["sha256:../../../etc/passwd", "sha256:", "md5:" + "0" * 64, "", None, 7])
def test_digests_that_are_none(store, registry, bad):
    registry.image(ONE, layers=[{"digest": bad, "size": 1}])
    with pytest.raises(Failed, match="invalid digest"):
        pulled(store, registry)


@pytest.mark.parametrize("value", [[], {}, {"schemaVersion": 1}, {"schemaVersion": 2, "layers": []}, 7])
def test_manifests_that_are_none(store, registry, value):
    registry.manifest(value, "1")
    with pytest.raises(EngineError):
        pulled(store, registry)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"", "not JSON"), (b"text", "not JSON"), (b"[" * 100_000, "not JSON"), (b" " * (5 << 20), "longer than")],
)
def test_manifests_that_are_not_even_json(store, registry, body, said):
    registry.answers["/v2/thing/manifests/1"] = (200, {}, body)
    with pytest.raises(Failed, match=said):
        pulled(store, registry)


def test_another_manifest_than_the_digest_says(store, registry):
    top, other = registry.image(ONE), registry.image(ONE, tag="2", config={})
    registry.answers[f"/v2/thing/manifests/{top}"] = registry.answers[f"/v2/thing/manifests/{other}"]
    with pytest.raises(Failed, match=f"manifest verification failed for digest {top}"):
        pulled(store, registry, top)
    mine = {"digest": top, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}}
    registry.manifest({"schemaVersion": 2, "manifests": [mine]}, "list")
    with pytest.raises(Failed, match=f"manifest verification failed for digest {top}"):
        pulled(store, registry, "list")


def test_another_configuration_than_the_digest_says(store, registry):
    registry.image(ONE)
    path = next(path for path, answer in registry.answers.items() if answer[2].startswith(b'{"architecture"'))
    status, headers, body = registry.answers[path]
    registry.answers[path] = (status, headers, body.replace(b'"sh"', b'"no"'))
    assert "verification failed for digest" in error_of(pulled(store, registry))


@pytest.mark.parametrize("rootfs", [{}, {"diff_ids": []}, {"diff_ids": [7]}, {"diff_ids": ["../x"]}, None])
def test_configurations_that_do_not_fit(store, registry, rootfs):
    registry.image(ONE, rootfs=rootfs)
    assert error_of(pulled(store, registry)) != ""


def test_a_huge_configuration(store, registry):
    head = registry.blob(b"{}", size=1 << 30)
    registry.manifest({"schemaVersion": 2, "config": head, "layers": []}, "1")
    assert "is not believed" in error_of(pulled(store, registry))


def test_an_image_for_another_machine(store, registry):
    registry.image(ONE, architecture="arm64")
    assert "not for linux/amd64" in error_of(pulled(store, registry))


@pytest.mark.parametrize(
    "place", ["http://192.0.2.1/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://localhost.evil.test/"]
)
def test_redirects_to_where_others_listen(store, registry, place):
    registry.answers["/v2/thing/manifests/1"] = (307, {"Location": place}, b"")
    with pytest.raises(BadParameter, match="over https, or over http on this machine"):
        pulled(store, registry)


def test_redirects_without_end(store, registry):
    registry.answers["/v2/thing/manifests/1"] = (307, {"Location": "/v2/thing/manifests/1"}, b"")
    with pytest.raises(Failed, match="more than 5 redirects"):
        pulled(store, registry)
    assert len(registry.asked) == 6


def test_a_token_from_where_others_listen(store, registry):
    challenge = {"WWW-Authenticate": 'Bearer realm="http://192.0.2.1/token"'}
    registry.answers["/v2/thing/manifests/1"] = (401, challenge, b"")
    with pytest.raises(BadParameter, match="over https"):
        pulled(store, registry)


@pytest.mark.parametrize("token", ['{"token": "a\\r\\nX: y"}', '{"token": 7}', "{}", "[]"])
def test_tokens_that_are_none(store, registry, token):
    registry.answers["/token"] = (200, {}, token.encode())
    challenge = {"WWW-Authenticate": f'Bearer realm="{registry.url}/token"'}
    registry.answers["/v2/thing/manifests/1"] = (401, challenge, b"")
    with pytest.raises(Failed, match="holds no token|not a JSON object"):
        pulled(store, registry)


def test_plain_http_is_for_this_machine_only():
    assert base_of("localhost:5000") == "http://localhost:5000"
    assert base_of("127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert base_of("[::1]:5000") == "http://[::1]:5000"
    assert base_of("192.0.2.1:5000") == "https://192.0.2.1:5000"
    assert base_of("registry.test") == "https://registry.test"


@pytest.mark.parametrize("url", ["http://registry.test", "registry.test", "https://", "http://127.0.0.1:x", ""])
def test_mirrors_that_are_refused(url):
    with pytest.raises(BadParameter):
        checked(url)


def test_the_mirror_comes_from_the_option_or_the_environment(monkeypatch):
    monkeypatch.setenv("VOLDEMO_REGISTRY_MIRROR", "https://mirror.test/")
    assert Registries.from_environment().mirror == "https://mirror.test"
    assert Registries.from_environment("http://127.0.0.1:5000").mirror == "http://127.0.0.1:5000"
