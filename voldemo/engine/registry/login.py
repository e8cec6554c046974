"""`docker login`: whether a registry takes these credentials."""

from __future__ import annotations

from voldemo.engine.errors import Failed, Forbidden
from voldemo.engine.registry.address import base_of
from voldemo.engine.registry.transport import Credentials, Session


def check(address: str, credentials: Credentials) -> None:
    """Blocks."""
    host = address.removeprefix("https://").removeprefix("http://").partition("/")[0]
    base = base_of(host)
    session = Session(base, credentials, "")
    try:
        answer = session.request("GET", "/v2/")
        answer.close()
    finally:
        session.close()
    if answer.status in (401, 403):
        raise Forbidden(f'Get "{base}/v2/": unauthorized: authentication required')
    if answer.status != 200:
        raise Failed(f'Get "{base}/v2/": the registry answered {answer.status} {answer.response.reason}')
