"""An engine of our own: Docker's HTTP API on a unix socket, real processes on real files, no root and no daemon.

Separable: the standard library and h11, nothing of the rest of voldemo.
"""

VERSION = "0.1.0"
API_VERSION = "1.47"
MIN_API_VERSION = "1.24"
DRIVER = "union"  # what stacks image layers
