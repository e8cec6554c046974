"""GET /containers/{id}/json: all that is known of one container."""

from __future__ import annotations

from typing import Any

from voldemo.engine import DRIVER
from voldemo.engine.containers import sizes
from voldemo.engine.containers.container import Container

EMPTY_ENDPOINT: dict[str, Any] = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "MacAddress": "",
    "DriverOpts": None,
    "GwPriority": 0,
}
ADDRESSES = ("Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen")
ORDER = ("AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd")


def inspect(container: Container, size: bool = False) -> dict[str, Any]:
    argv = [*(container.config["Entrypoint"] or ()), *(container.config["Cmd"] or ())]
    ever = container.state.started_at[:4] != "0001"
    shown: dict[str, Any] = {
        "Id": container.id,
        "Created": container.record.created,
        "Path": argv[0] if argv else "",
        "Args": argv[1:],
        "State": state(container),
        "Image": container.record.image,
        "ResolvConfPath": str(container.folder / "resolv.conf") if ever else "",
        "HostnamePath": str(container.folder / "hostname") if ever else "",
        "HostsPath": str(container.folder / "hosts") if ever else "",
        "LogPath": str(container.log.path) if ever and container.host["LogConfig"]["Type"] != "none" else "",
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": DRIVER,
        "Platform": container.record.platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": [exec.id for exec in container.execs.values() if exec.running] or None,
        "HostConfig": container.host,
        "GraphDriver": graph(container),
    }
    if size:
        shown |= {"SizeRw": 0} | sizes.of(container)
    return shown | {
        "Mounts": [point.view() for point in container.record.mounts if point.listed],
        "Config": config(container),
        "NetworkSettings": network_settings(container),
    }


def state(container: Container) -> dict[str, Any]:
    state = container.state
    shown: dict[str, Any] = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at,
        "FinishedAt": state.finished_at,
    }
    return shown | ({"Health": state.health} if state.health else {})


def config(container: Container) -> dict[str, Any]:
    known = container.config
    first = {name: known[name] for name in ("Hostname", "Domainname", "User")}
    return first | {name: known[name] for name in ORDER if name in known} | known


def graph(container: Container) -> dict[str, Any]:
    upper = container.daemon.store.containers.upper(container.id)
    lower = ":".join(
        str(container.daemon.store.layers.get(digest).path) for digest in reversed(container.record.layers)
    )
    data = {
        "ID": container.id,
        "LowerDir": lower,
        "MergedDir": str(upper),
        "UpperDir": str(upper),
        "WorkDir": str(upper),
    }
    return {"Data": data, "Name": DRIVER}


def endpoints(container: Container) -> dict[str, Any]:
    return {name: endpoint.view() for name, endpoint in container.daemon.networks.of(container.id).items()}


def network_settings(container: Container) -> dict[str, Any]:
    networks = endpoints(container)
    bridge = networks.get("bridge", {})
    shown: dict[str, Any] = {
        "Bridge": "",
        "SandboxID": container.id if container.handle else "",
        "SandboxKey": "",
        "Ports": container.ports.open_now,
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": bridge.get("EndpointID", ""),
    }
    shown |= {name: bridge.get(name, 0 if name.endswith("Len") else "") for name in (*ADDRESSES, "MacAddress")}
    return shown | {"Networks": networks}
