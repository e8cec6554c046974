"""voldemo: Docker volumes and storage, learned by experiment."""

from voldemo.connect import connect

__all__ = ["connect"]
