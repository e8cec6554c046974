"""What volumes cost, through the SDK, on the engine that DOCKER_HOST names: DOCKER_HOST=unix://… bench_volumes.py 1000

Milliseconds, median and 95th percentile. Everything it makes carries its label and is removed.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import closing

import docker

LABEL = "org.voldemo.bench"


def measure(name: str, calls: Iterable[Callable[[], object]]) -> None:
    taken = []
    for call in calls:
        begin = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begin) * 1000)
    taken.sort()
    print(f"{name:<14}{statistics.median(taken):9.2f}{taken[int(len(taken) * 0.95)]:9.2f}")


def run(client: docker.DockerClient, count: int, sample: int) -> None:
    api, names = client.api, [f"vdbench-{number}" for number in range(count)]
    ours = {"label": LABEL}
    some = names[:: max(1, count // sample)]
    print(f"{count:<14}{'median':>9}{'p95':>9}   ms")
    measure("ping", [api.ping] * sample)
    try:
        measure("create", [lambda name=name: api.create_volume(name, labels={LABEL: ""}) for name in names])
        measure("inspect", [lambda name=name: api.inspect_volume(name) for name in some])
        measure("list", [lambda: api.volumes(filters=ours)] * 5)
        measure("list by name", [lambda: api.volumes(filters={"name": names[-1]})] * 5)
        measure("list dangling", [lambda: api.volumes(filters={**ours, "dangling": True})] * 5)
        measure("system df", [api.df] * 3)
    finally:
        left = [volume["Name"] for volume in api.volumes(filters=ours)["Volumes"]]
        measure("remove", [lambda name=name: api.remove_volume(name) for name in left])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[1000], help="how many volumes there are to be")
    parser.add_argument("--sample", type=int, default=200, help="how many pings and inspects")
    options = parser.parse_args()
    with closing(docker.from_env(timeout=600)) as client:
        for count in options.counts:
            run(client, count, options.sample)


if __name__ == "__main__":
    main()
