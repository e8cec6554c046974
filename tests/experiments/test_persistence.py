from voldemo.experiments import persistence


def test_survival(client):
    frame = persistence.survival(client, "안녕 $HOME 'x'")
    table = frame.pivot(index="kind", columns="event", values="survived")
    everything_but_rm = {"restart": True, "stop": True, "kill": True, "rm": False}
    assert table.to_dict("index") == {
        "layer": everything_but_rm,
        "volume": everything_but_rm | {"rm": True},
        "anonymous": everything_but_rm,
        "bind": everything_but_rm | {"rm": True},
        "tmpfs": dict.fromkeys(everything_but_rm, False),
    }


def test_frames_tell_their_engine(client):
    assert client.version()["Version"] in persistence.leftovers(client).attrs["engine"]


def test_progress_goes_through_the_kinds(client):
    seen = []

    def track(kinds):
        for kind in kinds:
            seen.append(kind)
            yield kind

    persistence.survival(client, track=track)
    assert seen == list(persistence.KINDS)


def test_leftovers(client):
    frame = persistence.leftovers(client)
    table = frame.pivot(index="removal", columns="volume", values="left")
    assert table.to_dict("index") == {
        "rm": {"anonymous": True, "named": True},
        "rm -v": {"anonymous": False, "named": True},
        "run --rm": {"anonymous": False, "named": True},
    }
