"""Ordinary programs on a container's own files and on a volume: between them they make most calls about files.

The programs are the host's, mounted over the image's /usr, so that there are more of them.
"""

import tomllib
from pathlib import Path

import pytest

from engine.conformance.lab import DEBIAN, sh

CASES = tomllib.loads(Path(__file__).with_name("sweep.toml").read_text())


@pytest.fixture(scope="module")
def box(module_lab):
    mine = ["/usr:/usr:ro", "/etc/alternatives:/etc/alternatives:ro", "/var/lib/dpkg:/var/lib/dpkg:ro"]
    return module_lab.start(image=DEBIAN, volumes=[f"{module_lab.volume().name}:/volume", *mine])


@pytest.mark.parametrize("place", ["/own", "/volume"])
@pytest.mark.parametrize("case", CASES)
def test_a_program_says_what_it_should(box, place, case):
    needs, script, says = CASES[case].values()
    assert Path("/usr/bin", needs).exists(), f"this host has no {needs}: run tools/test-needs"
    folder = f"{place}/{case.replace(' ', '-')}"
    assert sh(box, f"mkdir -p {folder}; cd {folder}\n{script}") == says.strip()
