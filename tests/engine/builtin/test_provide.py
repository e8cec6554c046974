"""On this machine itself: whatever it is, it has a shell."""

import asyncio
import stat
import time

import pytest

from voldemo.engine.builtin import NAMES, Builtin, recipes
from voldemo.engine.builtin.dpkg import Packages
from voldemo.engine.builtin.host import Host
from voldemo.engine.errors import NotFound
from voldemo.engine.store import Store, Union


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "engine")
    yield store
    store.close()


def provide(store, *names, host=None):
    async def all_of_them():
        builtin = Builtin(store, host)
        return await asyncio.gather(*(builtin.provide(name) for name in names))

    return asyncio.run(all_of_them())


def test_busybox_and_debian_are_made_quickly(store):
    started = time.monotonic()
    assert provide(store, "busybox:1.37", "debian:13-slim") == [True, True]
    assert time.monotonic() - started < 10  # 1.3 s where nothing else runs
    for name in ("busybox:1.37", "debian:13-slim"):
        image = store.images.get(name)
        assert len(image.layers) > 1
        root = Union(None, image.trees)
        assert root.lookup("/bin/sh").mode & stat.S_IXOTH
        assert b"www-data:x:33:33:" in root.read_file("/etc/passwd")
        assert root.lookup("/tmp").mode == 0o1777
        assert root.lookup("/bin/env") is not None


def test_they_say_what_they_are(store):
    provide(store, "busybox:1.37")
    image = store.images.get("busybox:1.37")
    assert image.labels["org.voldemo.made-from"]
    assert image.config["comment"].startswith("made by voldemo from this host's own programs")
    assert all(step["created_by"].split()[0] in ("ADD", "COPY", "ENV", "CMD") for step in image.config["history"])


def test_made_twice_they_are_the_same(tmp_path):
    ids = []
    for folder in ("one", "two"):
        store = Store.open(tmp_path / folder)
        provide(store, "busybox:1.37")
        ids.append(store.images.get("busybox:1.37").id)
        store.close()
    assert ids[0] == ids[1]


def test_asked_for_by_many_at_once_it_is_made_once(store, monkeypatch):
    made = []
    prepare = recipes.prepare
    monkeypatch.setattr(recipes, "prepare", lambda *given: made.append(given[0]) or prepare(*given))
    assert provide(store, *["busybox:1.37"] * 5) == [True] * 5
    assert made == ["busybox"]


@pytest.mark.parametrize(
    "name",
    ["busybox", "busybox:1.36", "example.org/busybox:1.37", "Not A Name", "busybox:1.37@sha256:" + "0" * 64],
)
def test_other_names_are_not_ours(store, name):
    assert provide(store, name) == [False]
    assert store.images.list() == []


@pytest.mark.parametrize(("name", "package"), [("postgres:17", "postgresql"), ("redis:8", "redis-server")])
def test_what_the_host_lacks_is_said_with_what_to_do(store, host, name, package):
    with pytest.raises(NotFound, match=f"apt-get install {package}"):
        provide(store, name, host=host)
    assert store.images.list() == []


def test_a_host_without_packages_gives_its_programs(tmp_path, store, monkeypatch):
    monkeypatch.setattr(Packages, "get", lambda self, name: None)
    provide(store, "debian:13-slim")
    image = store.images.get("debian:13-slim")
    assert "packages" not in image.labels["org.voldemo.made-from"]
    assert Union(None, image.trees).lookup("/bin/bash") is not None


def test_a_host_without_a_shell_says_so(tmp_path, store):
    with pytest.raises(NotFound, match="it has no /bin/sh"):
        provide(store, "debian:13-slim", host=Host(tmp_path))


def test_the_names_are_those_of_the_chapters():
    assert NAMES == ("busybox:1.37", "debian:13-slim", "postgres:17", "redis:8")


def test_postgres_keeps_the_official_contract(store):
    host = Host()
    if not Packages(host).named(r"postgresql-\d+"):
        pytest.skip("no PostgreSQL on this machine")
    provide(store, "postgres:17")
    image = store.images.get("postgres:17")
    config = image.config["config"]
    assert config["Volumes"] == {"/var/lib/postgresql/data": {}}
    assert config["StopSignal"] == "SIGINT"
    assert config["Entrypoint"] == ["docker-entrypoint.sh"]
    assert "PGDATA=/var/lib/postgresql/data" in config["Env"]
    root = Union(None, image.trees)
    data = root.lookup("/var/lib/postgresql/data")
    assert (data.uid, data.gid, data.mode) == (999, 999, 0o1777)
    assert root.lookup("/usr/local/bin/docker-entrypoint.sh").mode == 0o755
    major = next(each for each in config["Env"] if each.startswith("PG_MAJOR=")).partition("=")[2]
    sample = root.read_file(f"/usr/share/postgresql/{major}/postgresql.conf.sample")
    assert b"\nlisten_addresses = '*'" in sample
    assert image.labels["org.voldemo.made-from"].startswith(f"postgresql-{major} {major}.")
