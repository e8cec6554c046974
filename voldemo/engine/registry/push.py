"""Pushing: each layer as a gzip blob, the configuration, then the manifest that makes them an image."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import tempfile
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from voldemo.engine.errors import EngineError, Failed, Forbidden
from voldemo.engine.registry import manifest as manifests
from voldemo.engine.registry.address import Repository
from voldemo.engine.registry.manifest import Descriptor
from voldemo.engine.registry.progress import Progress, Write
from voldemo.engine.registry.transport import Answer, Cancelled, Credentials, Session
from voldemo.engine.store import Image, Store

LEVEL = 6
BLOCK = 1 << 18
OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass
class Reading:
    """A file that says how far it has been read; http.client closes nothing it was given."""

    file: BinaryIO
    told: object
    done: int = 0

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(size)
        self.done += len(block)
        self.told(self.done)
        return block


class Push:
    def __init__(self, store: Store, image: Image, at: Repository, credentials: Credentials) -> None:
        self._store = store
        self._image = image
        self._at = at
        self._session = Session(at.base, credentials, f"repository:{at.path}:pull,push")

    def cancel(self) -> None:
        self._session.cancel()

    def run(self, write: Write) -> None:
        progress = Progress(write)
        try:
            self._run(progress)
        except EngineError as error:
            progress.error(error.message)
        except (OSError, http.client.HTTPException) as error:
            progress.error(f"{self._at.base}: the connection broke: {error or type(error).__name__}")
        except Cancelled:
            pass
        finally:
            self._session.close()

    def _run(self, progress: Progress) -> None:
        progress.status(f"The push refers to repository [{self._at.shown}]")
        for layer in self._image.layers:
            progress.status("Preparing", layer.diff_id[7:19])
        layers = [self._layer(layer.diff_id, progress) for layer in self._image.layers]
        config = Descriptor(self._image.id, len(self._image.raw), manifests.DOCKER_CONFIG)
        if not self._is_there(config):
            self._upload(config, io.BytesIO(self._image.raw), lambda done: None)
        digest, size = self._put_manifest(config, layers)
        progress.status(f"{self._at.tag}: digest: {digest} size: {size}")
        progress.say(progressDetail={}, aux={"Tag": self._at.tag, "Digest": digest, "Size": size})
        self._store.images.add_digest(self._image.id, f"{self._at.shown}@{digest}")

    def _layer(self, diff_id: str, progress: Progress) -> Descriptor:
        short = diff_id[7:19]
        with tempfile.TemporaryFile(dir=self._store.root / "tmp") as file:
            blob = self._compress(diff_id, file)
            if self._is_there(blob):
                progress.status("Layer already exists", short)
                return blob
            file.seek(0)
            self._upload(blob, file, lambda done: progress.bar("Pushing", short, done, blob.size))
        progress.status("Pushed", short)
        return blob

    def _compress(self, diff_id: str, file: BinaryIO) -> Descriptor:
        # No name and no time in it: the same layer is the same blob each time.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file, mtime=0) as packed:
            for block in self._store.layers.tar(diff_id):
                self._session.check()
                packed.write(block)
        file.seek(0)
        hashed = hashlib.sha256()
        while block := file.read(BLOCK):
            hashed.update(block)
        return Descriptor(f"sha256:{hashed.hexdigest()}", file.tell(), manifests.DOCKER_LAYER)

    def _is_there(self, blob: Descriptor) -> bool:
        answer = self._session.request("HEAD", f"/v2/{self._at.path}/blobs/{blob.digest}")
        answer.close()
        if answer.status not in (200, 404):
            raise self._refusal(answer)
        return answer.status == 200

    def _upload(self, blob: Descriptor, file: BinaryIO, told: object) -> None:
        answer = self._session.request("POST", f"/v2/{self._at.path}/blobs/uploads/", body=b"")
        answer.close()
        if answer.status != 202:
            raise self._refusal(answer)
        location = answer.header("Location")
        joint = "&" if urlsplit(location).query else "?"

        def content() -> BinaryIO:
            file.seek(0)
            return Reading(file, told)

        path = f"{location}{joint}digest={blob.digest}"
        answer = self._session.request("PUT", path, OCTETS, content, blob.size)
        answer.close()
        if answer.status != 201:
            raise self._refusal(answer)

    def _put_manifest(self, config: Descriptor, layers: list[Descriptor]) -> tuple[str, int]:
        value = {
            "schemaVersion": 2,
            "mediaType": manifests.DOCKER,
            "config": as_json(config),
            "layers": [as_json(layer) for layer in layers],
        }
        data = json.dumps(value, indent=3).encode()
        path = f"/v2/{self._at.path}/manifests/{self._at.tag}"
        answer = self._session.request("PUT", path, {"Content-Type": manifests.DOCKER}, data)
        answer.close()
        if answer.status not in (200, 201):
            raise self._refusal(answer)
        return manifests.digest_of(data), len(data)

    def _refusal(self, answer: Answer) -> EngineError:
        if answer.status in (401, 403):
            return Forbidden("denied: requested access to the resource is denied")
        return Failed(f"{answer.url}: the registry answered {answer.status} {answer.response.reason}")


def as_json(blob: Descriptor) -> dict[str, object]:
    return {"mediaType": blob.media_type, "size": blob.size, "digest": blob.digest}
