"""postgres and redis by Compose, their data in named volumes: everything is killed, and what was committed is there."""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient

from engine.conformance.lab import cli_environment
from engine.embedded import Engine, somebody

FILE = """
services:
  db:
    image: postgres:17
    environment: {POSTGRES_PASSWORD: secret, POSTGRES_DB: shop, POSTGRES_INITDB_ARGS: --no-sync}
    volumes: ["pgdata:/var/lib/postgresql/data", "./initdb.d:/docker-entrypoint-initdb.d:ro"]
    healthcheck: {test: pg_isready -h 127.0.0.1 -U postgres, interval: 100ms, timeout: 20s, retries: 600}
  cache:
    image: redis:8
    command: redis-server --appendonly yes --appendfsync always --protected-mode no
    volumes: ["aof:/data"]
    healthcheck: {test: [CMD, redis-cli, ping], interval: 100ms, timeout: 20s, retries: 600}
  app:
    image: postgres:17
    entrypoint: [sleep, infinity]
    init: true
    environment: {PGHOST: db, PGUSER: postgres, PGPASSWORD: secret, PGDATABASE: shop}
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_healthy}}
volumes: {pgdata: {}, aof: {}}
"""
SEED = "create table seeded as select n, md5(n::text) as sum from generate_series(1, 20000) as n;"
INTACT = "select count(*), bool_and(sum = md5(n::text)) from seeded"
TARS = ("postgres-17.tar", "redis-8.tar")
ENOUGH, MORE_THAN_IT_CAN = 100, 100_000  # commits told before everything is killed, and commits asked for


class Shop:
    """The project above, on an engine that can be killed and started anew."""

    def __init__(self, engine: Engine, folder: Path):
        self.engine, self.folder = engine, folder
        folder.chmod(0o755)  # what is bind-mounted is read by whoever runs the engine
        (folder / "config").mkdir()
        self.environment = cli_environment(engine.url, folder / "config")
        (folder / "compose.yaml").write_text(FILE)
        (folder / "initdb.d").mkdir()
        (folder / "initdb.d" / "seed.sql").write_text(SEED)
        (folder / "initdb.d" / "more.sh").write_text("psql -U postgres -d shop -c 'create table by_a_script ()'")

    def command(self, *words: str) -> list[str]:
        compose = Path(self.environment["DOCKER_CONFIG"], "cli-plugins", "docker-compose")
        return [str(compose), "--project-name", "shop", "--project-directory", str(self.folder), *words]

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, "\n".join([done.stdout, done.stderr, self.run("logs").stdout, self.engine.said()])
        return done.stdout.strip()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def sql(self, text: str) -> str:
        return self("exec", "-T", "app", "psql", "-XAtqc", text)

    def redis(self, *words: str) -> str:
        return self("exec", "-T", "cache", "redis-cli", *words)

    def busy(self, lines: Iterable[str], *words: str) -> subprocess.Popen:
        """A client at work: of each line it gets, it tells when it is done."""
        script = self.folder / words[0]
        script.write_text("".join(f"{line}\n" for line in lines))
        command = self.command("exec", "-T", *words)
        with script.open() as file, (self.folder / "errors").open("a") as errors:
            return subprocess.Popen(
                command, env=self.environment, stdin=file, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def health(self) -> dict[str, str]:
        rows = [json.loads(line) for line in self("ps", "--all", "--format", "json").splitlines()]
        return {row["Service"]: row["Health"] or row["State"] for row in rows}

    def volumes(self) -> set[str]:
        with closing(DockerClient(self.engine.url)) as client:
            named = client.volumes.list(filters={"label": "com.docker.compose.project=shop"})
            return {volume.name for volume in named}


@pytest.fixture(scope="module", params=somebody(), ids="uid {}".format)
def engine(request) -> Iterator[Engine]:
    """Root has the pinned images; anybody else those the engine makes of this machine's own programs."""
    with Engine(request.param, TARS if request.param == 0 else ()) as engine:
        yield engine


@pytest.fixture
def shop(engine) -> Iterator[Shop]:
    shop = Shop(engine, Path(tempfile.mkdtemp(dir=engine.folder)))
    shop("up", "--detach", "--quiet-pull")
    yield shop
    shop("down", "--volumes", "--timeout=0")


def test_up_waits_until_both_are_healthy_and_filled(shop):
    assert shop.health() == {"db": "healthy", "cache": "healthy", "app": "running"}
    assert shop.sql(INTACT) == "20000|t"
    assert shop.sql("select count(*) from by_a_script") == "0"
    assert shop.sql("show timezone") == "Etc/UTC"
    assert shop("exec", "-T", "db", "stat", "-c", "%U %a", "/var/lib/postgresql/data") == "postgres 700"
    assert shop("exec", "-T", "cache", "stat", "-c", "%U", "/data/appendonlydir") == "redis"


def test_down_keeps_the_data_and_down_v_takes_it(shop):
    shop.sql("create table kept as select 1 as n")
    shop.redis("set", "kept", "yes")
    shop("down")
    assert shop.volumes() == {"shop_pgdata", "shop_aof"}
    shop("up", "--detach")
    assert shop.sql("select n from kept") == "1"
    assert shop.redis("get", "kept") == "yes"
    assert "Skipping initialization" in shop("logs", "--no-log-prefix", "db")
    shop("down", "--volumes")
    assert shop.volumes() == set()


def test_after_the_death_of_everything_all_that_was_committed_is_there(shop):
    shop.sql("create table told (n int)")
    rows = (f"insert into told values ({n}) returning n;" for n in range(1, MORE_THAN_IT_CAN + 1))
    pushes = (f"rpush told {n}" for n in range(1, MORE_THAN_IT_CAN + 1))
    with shop.busy(rows, "app", "psql", "-XAtq") as psql, shop.busy(pushes, "cache", "redis-cli") as redis:
        for client in (psql, redis):
            for _ in range(ENOUGH):
                assert client.stdout.readline()
        shop.engine.kill_everything()
        row, length = (ENOUGH + len(client.stdout.readlines()) for client in (psql, redis))
    assert max(row, length) < MORE_THAN_IT_CAN, "they were done before they were killed"
    shop.engine.start()
    assert set(shop.health().values()) == {"exited"}
    shop("up", "--detach")
    assert "automatic recovery in progress" in shop("logs", "--no-log-prefix", "db")
    assert int(shop.sql("select count(*) from told")) >= row
    assert int(shop.redis("llen", "told")) >= length
    assert shop.sql(INTACT) == "20000|t"
    assert shop.sql("insert into told values (0) returning n") == "0"
