"""voldemo: Docker volumes and storage, learned by experiment."""

from voldemo.connect import connect
from voldemo.widgets import predict, track

__all__ = ["connect", "predict", "track"]
