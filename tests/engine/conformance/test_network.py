"""Networks, as far as containers find each other by name."""

import json

import pytest

from engine.conformance.lab import FOREVER, refused, sh, until

SERVE = ["sh", "-c", "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w"]


@pytest.fixture(scope="module")
def network(module_lab):
    return module_lab.client.networks.create(module_lab.name(), labels=module_lab.labels)


@pytest.fixture(scope="module")
def server(module_lab, network):
    """A web server that answers to its name and an alias."""
    config = {network.name: module_lab.client.api.create_endpoint_config(aliases=["web"])}
    container = module_lab.client.containers.create(
        "busybox:1.37", SERVE, name=f"{module_lab.label}-server", labels=module_lab.labels,
        network=network.name, networking_config=config,
    )  # fmt: skip
    container.start()
    return container


@pytest.fixture(scope="module")
def visitor(module_lab, network, server):
    container = module_lab.client.containers.create(
        "busybox:1.37", FOREVER, labels=module_lab.labels, network=network.name
    )
    container.start()
    return container


def test_containers_reach_each_other_by_name(visitor, server):
    assert until(lambda: sh(visitor, f"wget -qO- {server.name}")) == "hello"


def test_containers_reach_each_other_by_alias(visitor):
    assert until(lambda: sh(visitor, "wget -qO- web")) == "hello"


def test_a_container_reaches_itself(server):
    assert until(lambda: sh(server, "wget -qO- localhost; wget -qO- 127.0.0.1")) == "hello\nhello"


def test_a_port_of_another_container_is_not_ones_own(visitor):
    assert "Connection refused" in sh(visitor, "wget -qO- localhost")


def test_two_containers_listen_on_the_same_port(module_lab, network, server, visitor):
    second = module_lab.client.containers.create(
        "busybox:1.37", ["sh", "-c", "mkdir /w; echo second > /w/index.html; exec httpd -f -p 80 -h /w"],
        name=f"{module_lab.label}-second", labels=module_lab.labels, network=network.name,
    )  # fmt: skip
    second.start()
    assert until(lambda: sh(visitor, f"wget -qO- {second.name}")) == "second"
    assert sh(visitor, f"wget -qO- {server.name}") == "hello"


def test_a_name_that_is_not_there(visitor):
    assert "bad address" in sh(visitor, "wget -qO- vdc-nope")


def test_networks_are_made_listed_and_removed(lab):
    network = lab.client.networks.create(lab.name(), labels=lab.labels)
    assert [found.id for found in lab.client.networks.list(names=[network.name])] == [network.id]
    assert network.attrs["Driver"] == "bridge"
    assert network.attrs["Labels"] == lab.labels
    network.remove()
    with refused(404, f"network {network.name} not found"):
        lab.client.networks.get(network.name)


def test_the_networks_that_are_always_there(lab):
    names = {network.name for network in lab.client.networks.list()}
    assert {"bridge", "host", "none"} <= names


def test_a_network_in_use_stays(lab, network, server):
    with refused(403, f"error while removing network: network {network.name} has active endpoints"):
        network.remove()


def test_a_network_knows_its_containers(lab, network, server):
    network.reload()
    assert network.attrs["Containers"][server.id]["Name"] == server.name


def test_a_container_knows_its_networks(network, server):
    server.reload()
    end = server.attrs["NetworkSettings"]["Networks"][network.name]
    assert end["NetworkID"] == network.id
    assert "web" in end["Aliases"]
    assert end["IPAddress"]


def test_a_container_can_join_and_leave(lab):
    network = lab.client.networks.create(lab.name(), labels=lab.labels)
    container = lab.start(network_mode="bridge")
    network.connect(container)
    container.reload()
    assert network.name in container.attrs["NetworkSettings"]["Networks"]
    network.disconnect(container)
    container.reload()
    assert network.name not in container.attrs["NetworkSettings"]["Networks"]


def test_a_network_that_is_not_there(lab):
    container = lab.create(network_mode="vdc-nope")
    with refused(404, "network vdc-nope not found"):
        container.start()


def test_published_ports_show(lab):
    container = lab.start(network_mode="bridge", ports={"80/tcp": None})
    container.reload()
    (binding,) = {tuple(b.items()) for b in container.attrs["NetworkSettings"]["Ports"]["80/tcp"][:1]}
    assert int(dict(binding)["HostPort"]) > 1024
    assert "->80/tcp" in lab.docker("ps", "--filter", f"id={container.id}", "--format", "{{.Ports}}")
    assert lab.docker("port", container.name, "80").split(":")[-1] == dict(binding)["HostPort"]


def test_exposed_ports_are_not_published(lab):
    container = lab.start(image=lab.image("EXPOSE 80").id, network_mode="bridge")
    container.reload()
    assert json.dumps(container.attrs["NetworkSettings"]["Ports"]) == '{"80/tcp": null}'


def test_cli_network_list(lab, network):
    assert lab.docker("network", "ls", "--filter", f"name={network.name}", "--format", "{{.Name}} {{.Driver}}") == (
        f"{network.name} bridge"
    )


def test_a_link_is_told_in_the_environment_and_in_hosts(lab):
    other = lab.start(network_mode="bridge", environment={"FOO": "1"}, ports={"80/tcp": None})
    options = {"network_mode": "bridge", "links": {other.name: "my-db"}}
    told = lab.says("env | grep ^MY_DB | sort; grep my-db /etc/hosts", **options).splitlines()
    address = told[-1].split()[0]
    assert told[0] == "MY_DB_ENV_FOO=1"
    assert told[1].startswith("MY_DB_NAME=/")
    assert told[1].endswith("/my-db")
    assert told[2:-1] == [
        f"MY_DB_PORT=tcp://{address}:80",
        f"MY_DB_PORT_80_TCP=tcp://{address}:80",
        f"MY_DB_PORT_80_TCP_ADDR={address}",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
    ]
    assert told[-1].split()[1:] == ["my-db", other.short_id, other.name]
