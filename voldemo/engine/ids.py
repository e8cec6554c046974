"""What containers, execs, networks and their endpoints are called by."""

import secrets


def new_id() -> str:
    """Never all digits at its start: the short form is a host name, and must not look like a number."""
    while True:
        value = secrets.token_hex(32)
        if not value[:12].isdigit():
            return value
