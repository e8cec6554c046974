"""Which handler a method and a path belong to: fixed paths by a dict, the others by their first name."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from voldemo.engine.http import Response

Handler = Callable[..., Awaitable[Response]]
Decorator = Callable[[Handler], Handler]
PLACE = re.compile(r"\{(\w+)(:path)?\}")


def compile_path(path: str) -> re.Pattern[str]:
    pattern = ""
    for text, name, slashes in split(path):
        pattern += re.escape(text) + (f"(?P<{name}>{'.+' if slashes else '[^/]+'})" if name else "")
    return re.compile(pattern, re.DOTALL)


def split(path: str) -> Iterable[tuple[str, str, str]]:
    at = 0
    for place in PLACE.finditer(path):
        yield path[at : place.start()], place[1], place[2] or ""
        at = place.end()
    yield path[at:], "", ""


def first(path: str) -> str:
    return path.partition("/")[2].partition("/")[0]


class Routes:
    """What one module answers."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, Handler]] = []

    def add(self, method: str, path: str) -> Decorator:
        def keep(handler: Handler) -> Handler:
            self.entries.append((method, path, handler))
            return handler

        return keep

    def get(self, path: str) -> Decorator:
        return self.add("GET", path)

    def post(self, path: str) -> Decorator:
        return self.add("POST", path)

    def put(self, path: str) -> Decorator:
        return self.add("PUT", path)

    def delete(self, path: str) -> Decorator:
        return self.add("DELETE", path)

    def head(self, path: str) -> Decorator:
        return self.add("HEAD", path)


class Router:
    """All modules' routes. Of two patterns the one registered first wins; a fixed path wins over any pattern."""

    def __init__(self, modules: Iterable[Routes]) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._patterns: dict[tuple[str, str], list[tuple[re.Pattern[str], Handler]]] = {}
        for routes in modules:
            for method, path, handler in routes.entries:
                self._add(method, path, handler)

    def _add(self, method: str, path: str, handler: Handler) -> None:
        if "{" not in path:
            self._fixed[method, path] = handler
        else:
            entry = (compile_path(path), handler)
            self._patterns.setdefault((method, first(path)), []).append(entry)

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, Any]] | None:
        handler = self._fixed.get((method, path))
        if handler is not None:
            return handler, {}
        for pattern, handler in self._patterns.get((method, first(path)), ()):
            match = pattern.fullmatch(path)
            if match:
                return handler, match.groupdict()
        return None
