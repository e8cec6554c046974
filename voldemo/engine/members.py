"""What a network, a container's place in it and a container's address are. `networks` keeps them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from voldemo.engine import clock, fields
from voldemo.engine.errors import Failed
from voldemo.engine.ids import new_id

SUBNET = ipaddress.ip_network("127.77.0.0/16")
NOTE = {"voldemo.network": "shares the host's network; every container has a loopback address of its own"}
PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
SHORT = 12


@dataclass
class Network:
    id: str
    record: dict[str, Any]  # as it was created, in the API's own names

    @property
    def name(self) -> str:
        return self.record["Name"]

    @property
    def driver(self) -> str:
        return self.record["Driver"]

    @property
    def predefined(self) -> bool:
        return self.name in PREDEFINED


def check(endpoint: dict[str, Any]) -> None:
    """EndpointSettings of a client, before anything is made of them."""
    fields.texts(endpoint, "Aliases")
    fields.texts(endpoint, "Links")
    fields.mapping(endpoint, "DriverOpts")
    fields.obj(endpoint, "IPAMConfig")


@dataclass
class Endpoint:
    network: str  # its id, or the name of one that was not there yet
    name: str
    id: str
    aliases: list[str]
    config: dict[str, Any]
    address: str
    dns: list[str]  # the container's own names
    resolved: bool = True
    up: bool = False

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.dns, *self.aliases]))

    def record(self) -> dict[str, Any]:
        known = {"Network": self.network, "Name": self.name, "Id": self.id, "Aliases": self.aliases}
        return known | {"Config": self.config, "Resolved": self.resolved}

    def view(self) -> dict[str, Any]:
        """EndpointSettings, as a container's inspect shows them."""
        address = self.address if self.up else ""
        return {
            "IPAMConfig": self.config.get("IPAMConfig"),
            "Links": self.config.get("Links"),
            "Aliases": self.aliases or None,
            "MacAddress": "",
            "DriverOpts": self.config.get("DriverOpts"),
            "GwPriority": 0,
            "NetworkID": self.network if self.resolved else "",
            "EndpointID": self.id if self.up else "",
            "Gateway": "",
            "IPAddress": address,
            "IPPrefixLen": SUBNET.prefixlen if address else 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": None if self.name in PREDEFINED else self.names,
        }


@dataclass
class Member:
    """A container and where it belongs."""

    id: str
    name: str
    address: str
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [self.name, self.id[:SHORT]] if self.name else [self.id[:SHORT]]

    def rename(self, name: str) -> None:
        self.name = name
        for endpoint in self.endpoints.values():
            endpoint.dns = self.names

    def add(self, network: str, name: str, aliases: list[str], config: dict[str, Any], resolved: bool) -> Endpoint:
        end = Endpoint(network, name, new_id(), aliases, config, self.address, self.names, resolved)
        self.endpoints[network] = end
        return end

    def record(self) -> dict[str, Any]:
        ends = [endpoint.record() for endpoint in self.endpoints.values()]
        return {"Container": self.name, "Address": self.address, "Networks": ends}

    @classmethod
    def of_record(cls, id: str, record: dict[str, Any]) -> Member:
        member = cls(id, record["Container"], record["Address"])
        for end in record["Networks"]:
            kept = member.add(end["Network"], end["Name"], end["Aliases"], end["Config"], end["Resolved"])
            kept.id = end["Id"]
        return member


class Addresses:
    """One of 127.77.0.2 and up for each container; a number just given back is not the next one to be given out."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next = 2

    def take(self, address: str) -> None:
        self._taken.add(address)

    def give_back(self, address: str) -> None:
        self._taken.discard(address)

    def free(self) -> str:
        last = SUBNET.num_addresses - 2
        for _ in range(last):
            address = str(SUBNET[self._next])
            self._next = self._next + 1 if self._next < last else 2
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise Failed("could not find an available address for one more container")


def definition(name: str, driver: str, **more: Any) -> dict[str, Any]:
    bridge = [{"Subnet": str(SUBNET), "Gateway": "127.0.0.1"}] if driver == "bridge" else None
    return {
        "Name": name,
        "Created": clock.now(),
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": bridge},
        "Internal": more.get("internal", False),
        "Attachable": more.get("attachable", False),
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Options": {**NOTE, **(more.get("options") or {})},
        "Labels": more.get("labels") or {},
    }
