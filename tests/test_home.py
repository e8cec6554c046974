"""The learner's folder, and the id that tells whose things are whose."""

import secrets

from voldemo import home


def test_the_home_is_made_for_its_owner_alone(own_home):
    assert home.home() == own_home
    assert own_home.stat().st_mode & 0o777 == 0o700


def test_it_is_in_the_learners_own_home_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VOLDEMO_HOME")
    assert home.home() == tmp_path / ".voldemo"
    monkeypatch.setenv("VOLDEMO_HOME", "~/elsewhere")
    assert home.home() == tmp_path / "elsewhere"


def test_a_relative_home_stays_the_same_folder_wherever_a_notebook_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOLDEMO_HOME", "here")
    assert home.home() == tmp_path / "here"


def test_the_key_is_eight_hex_digits_and_stays(own_home):
    first = home.key()
    assert int(first, 16) >= 0
    assert len(first) == 8
    assert home.key() == first


def test_two_homes_have_two_keys(tmp_path, monkeypatch):
    def key_of(name: str) -> str:
        monkeypatch.setenv("VOLDEMO_HOME", str(tmp_path / name))
        return home.key()

    assert key_of("one") != key_of("other")


def test_kernels_that_start_at_once_agree_on_the_key(own_home, monkeypatch):
    """The other one comes first while this one, which has found no id either, makes up its own."""
    others: list[str] = []

    def meanwhile(digits: int, made_up=secrets.token_hex) -> str:
        monkeypatch.setattr(home.secrets, "token_hex", made_up)
        others.append(home.key())
        return made_up(digits)

    monkeypatch.setattr(home.secrets, "token_hex", meanwhile)
    assert [home.key()] == others == [(own_home / "id").read_text()]
    assert [path.name for path in own_home.iterdir()] == ["id"]
