"""Restart policies: whether, and after how long."""

from __future__ import annotations

from voldemo.engine import clock
from voldemo.engine.containers.container import Container

FIRST_WAIT, LONGEST_WAIT = 0.1, 60.0  # seconds
LONG_RUN = 10.0  # seconds after which a run counts as a success, and waiting starts anew


def wanted(container: Container) -> bool:
    """After an exit."""
    policy, state = container.host["RestartPolicy"], container.state
    if container.daemon.closing or state.stopped_by_hand:
        return False
    if policy["Name"] == "on-failure":
        limit = policy["MaximumRetryCount"]
        return state.exit_code != 0 and (not limit or state.restart_count < limit)
    return policy["Name"] in ("always", "unless-stopped")


def at_opening(container: Container) -> bool:
    """When the engine starts: what ran, or what is always to run."""
    policy, state = container.host["RestartPolicy"]["Name"], container.state
    if state.started_at == clock.ZERO:
        return False
    if policy == "on-failure":
        return wanted(container)
    return policy == "always" or (policy == "unless-stopped" and not state.stopped_by_hand)


def wait_before(container: Container, last: float) -> float:
    """Twice as long each time, unless it ran well."""
    if container.ran_for() >= LONG_RUN or not last:
        return FIRST_WAIT
    return min(LONGEST_WAIT, last * 2)
