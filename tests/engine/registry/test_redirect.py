import pytest

from engine.registry.conftest import tar_of
from engine.registry.pulling import pulled, statuses
from voldemo.engine.errors import BadParameter
from voldemo.engine.registry import Credentials

ONE = tar_of(a=b"1")


def test_what_is_secret_stays_with_the_registry(store, registry):
    """A blob that is kept elsewhere is fetched there without the registry's token."""
    registry.image(ONE)
    path = next(path for path in registry.answers if "/blobs/" in path)
    registry.answers["/elsewhere"] = registry.answers[path]
    registry.answers[path] = (307, {"Location": f"http://localhost:{registry.port}/elsewhere"}, b"")
    assert statuses(pulled(store, registry, auth=Credentials(registry_token="t")))[-1].startswith("Status: Downloaded")
    tokens = {path: headers.get("Authorization") for _, path, headers in registry.asked}
    assert tokens["/elsewhere"] is None
    assert tokens[path] == "Bearer t"


@pytest.mark.parametrize("text", ["%%%", "bm90IGpzb24", "WzFd", "IiI"])
def test_credentials_that_are_none(text):
    with pytest.raises(BadParameter, match="invalid X-Registry-Auth header"):
        Credentials.from_header(text)


def test_credentials_do_not_show():
    assert "secret" not in repr(Credentials("me", "secret", "secret", "secret"))
