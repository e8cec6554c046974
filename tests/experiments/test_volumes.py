from voldemo.engines import api
from voldemo.experiments import volumes


def test_remove_needs_every_container_gone(client):
    frame = volumes.remove(client).set_index("container")
    assert frame.status.to_dict() == {"running": 409, "stopped": 409, "created": 409, "gone": 204}
    assert frame.removed.to_dict() == {"running": False, "stopped": False, "created": False, "gone": True}
    assert "VOLUME" in frame.message["running"]
    assert "CONTAINER" in frame.message["running"]


def test_use_by_several_containers(client):
    frame = volumes.use(client).set_index("container")
    assert set(frame.reads) == {"hello"}
    assert frame.wrote.to_dict() == {"first": True, "second": True, "third": False}


def test_names(client):
    frame = volumes.names(client).set_index("name")
    assert list(frame.index[frame.accepted]) == ["data-*", "Data_1.2-*"]
    assert set(frame.status[~frame.accepted]) == {400}
    assert "too short" in frame.message["d"]


def test_creating_again_ignores_other_options(client):
    frame = volumes.again(client)
    assert list(frame.status) == [201, 201, 201]
    assert frame.type.isna().all()


def test_filters(client):
    frame = volumes.filters(client)
    found = frame[frame.found].groupby("filter").volume.apply(list).to_dict()
    assert found == {
        "dangling=true": ["blog", "spare"],
        "dangling=false": ["logs", "data"],
        "name=log": ["logs", "blog"],
        "driver=local": ["logs", "data", "blog", "spare"],
        "label=tier=hot": ["logs"],
    }


def test_prune_by_version(client):
    frame = volumes.prune(client)
    removed = frame[frame.removed].groupby("command").volume.apply(list).to_dict()
    if api(client) >= (1, 42):
        assert removed == {"prune": ["anonymous"], "prune --all": ["anonymous", "named"]}
    else:
        assert removed == {"prune": ["anonymous", "named"]}


def test_prune_is_never_sent_without_the_sandbox_label(client, monkeypatch):
    sent = []
    prune = client.api.prune_volumes
    monkeypatch.setattr(client.api, "prune_volumes", lambda filters=None: (sent.append(filters), prune(filters))[1])
    volumes.prune(client)
    assert sent
    assert all("org.voldemo.sandbox=" in filters["label"][0] for filters in sent)
