"""Pulling: the manifest, the configuration, each layer that is not here yet; then one image, or nothing."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from voldemo.engine.errors import BadParameter, EngineError, Failed, Forbidden, NotFound
from voldemo.engine.registry import manifest as manifests
from voldemo.engine.registry.address import Repository
from voldemo.engine.registry.manifest import Descriptor, Manifest
from voldemo.engine.registry.progress import Progress, Write
from voldemo.engine.registry.transport import Answer, Cancelled, Credentials, Session
from voldemo.engine.store import Image, Reference, Store

MANIFEST_LIMIT = 4 << 20
CONFIG_LIMIT = 8 << 20
BLOCK = 1 << 18


class Pull:
    """`resolve` first (its errors have an HTTP status), then `run`, which says how it goes."""

    def __init__(self, store: Store, reference: Reference, at: Repository, credentials: Credentials) -> None:
        self._store = store
        self._reference = reference
        self._at = at
        self._session = Session(at.base, credentials, f"repository:{at.path}:pull")
        self._top_digest = ""
        self._manifest: Manifest | None = None

    def cancel(self) -> None:
        self._session.cancel()

    def resolve(self) -> None:
        name = str(self._reference)
        data = self._get_manifest(self._at.wanted)
        self._top_digest = manifests.digest_of(data)
        if self._at.digest and self._at.digest != self._top_digest:
            raise Failed(f"{name}: manifest verification failed for digest {self._at.digest}")
        chosen = manifests.choose(data, name)
        if chosen is not None:
            data = self._get_manifest(chosen.digest)
            if manifests.digest_of(data) != chosen.digest:
                raise Failed(f"{name}: manifest verification failed for digest {chosen.digest}")
        self._manifest = manifests.parse(data, name)

    def _get_manifest(self, wanted: str) -> bytes:
        path = f"/v2/{self._at.path}/manifests/{wanted}"
        answer = self._session.request("GET", path, {"Accept": manifests.ACCEPTED})
        try:
            if answer.status != 200:
                raise self._refusal(answer)
            return answer.read(MANIFEST_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        finally:
            answer.close()

    def _refusal(self, answer: Answer) -> EngineError:
        if answer.status == 404:
            return NotFound(f"manifest for {self._reference} not found: manifest unknown: manifest unknown")
        if answer.status in (401, 403):
            return Forbidden(
                f"pull access denied for {self._at.shown}, repository does not exist or may require 'docker login': "
                "denied: requested access to the resource is denied"
            )
        return Failed(f"{answer.url}: the registry answered {answer.status} {answer.response.reason}")

    def _broken(self, error: Exception) -> EngineError:
        self._session.check()
        return Failed(f"{self._at.base}: the connection broke: {error or type(error).__name__}")

    def run(self, write: Write) -> None:
        """Never raises for what the registry does: that is said in the stream."""
        progress = Progress(write)
        try:
            self.fetch(progress)
        except EngineError as error:
            progress.error(error.message)
        except OSError as error:
            progress.error(error.strerror or str(error))
        except Cancelled:
            pass

    def fetch(self, progress: Progress) -> Image:
        try:
            return self._fetch(progress)
        finally:
            self._session.close()

    def _fetch(self, progress: Progress) -> Image:
        assert self._manifest is not None
        progress.say(status=f"Pulling from {self._at.path}", id=self._at.wanted)
        config = self._config(self._manifest)
        ids = manifests.diff_ids(config, self._manifest, str(self._reference))
        self._layers(self._manifest.layers, ids, progress)
        before = self._store.images.find(str(self._reference))
        image = self._keep(config)
        fresh = before is None or before.id != image.id
        progress.status(f"Digest: {self._top_digest}")
        state = "Downloaded newer image" if fresh else "Image is up to date"
        progress.status(f"Status: {state} for {self._reference}")
        return image

    def _config(self, manifest: Manifest) -> bytes:
        name = str(self._reference)
        if manifest.config.size > CONFIG_LIMIT:
            raise Failed(f"{name}: a configuration of {manifest.config.size} bytes is not believed")
        with self._blob(manifest.config) as answer:
            try:
                data = answer.read(manifest.config.size)
            except (OSError, http.client.HTTPException) as error:
                raise self._broken(error) from error
        if manifests.digest_of(data) != manifest.config.digest:
            raise Failed(f"filesystem layer verification failed for digest {manifest.config.digest}")
        return data

    def _layers(self, layers: Sequence[Descriptor], ids: Sequence[str], progress: Progress) -> None:
        missing = []
        for layer, diff_id in zip(layers, ids, strict=True):
            there = self._store.layers.has(diff_id)
            progress.status("Already exists" if there else "Pulling fs layer", layer.short)
            if not there:
                missing.append((layer, diff_id))
        self._check_disk(sum(layer.size for layer, _ in missing))
        for layer, diff_id in missing:
            self._layer(layer, diff_id, progress)

    def _check_disk(self, size: int) -> None:
        disk = os.statvfs(self._store.root)
        if size > disk.f_bavail * disk.f_frsize:
            raise Failed(
                f"{self._reference}: its layers are {size} bytes, more than the disk has: no space left on device"
            )

    def _layer(self, layer: Descriptor, diff_id: str, progress: Progress) -> None:
        with tempfile.TemporaryFile(dir=self._scratch()) as file:
            self._download(layer, file, progress)
            progress.status("Download complete", layer.short)
            file.seek(0)
            self._store.layers.add_tar(
                file,
                lambda done: progress.bar("Extracting", layer.short, min(done, layer.size), layer.size),
                expect=diff_id,
            )
        progress.status("Pull complete", layer.short)

    def _scratch(self) -> Path:
        return self._store.root / "tmp"

    def _download(self, layer: Descriptor, file, progress: Progress) -> None:
        hashed = hashlib.sha256()
        done = 0
        with self._blob(layer) as answer:
            while block := self._read(answer):
                done += len(block)
                if done > layer.size:
                    raise Failed(f"{layer.digest}: the registry sends more than the {layer.size} bytes it announced")
                hashed.update(block)
                file.write(block)
                progress.bar("Downloading", layer.short, done, layer.size)
        if done < layer.size:
            raise Failed(f"{layer.digest}: unexpected EOF after {done} of {layer.size} bytes")
        if f"sha256:{hashed.hexdigest()}" != layer.digest:
            raise Failed(f"filesystem layer verification failed for digest {layer.digest}")

    def _read(self, answer: Answer) -> bytes:
        try:
            block = answer.response.read1(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        self._session.check()
        return block

    def _blob(self, blob: Descriptor) -> Closing:
        answer = self._session.request("GET", f"/v2/{self._at.path}/blobs/{blob.digest}")
        if answer.status != 200:
            answer.close()
            raise Failed(f"{blob.digest}: the registry answered {answer.status} {answer.response.reason}")
        return Closing(answer)

    def _keep(self, config: bytes) -> Image:
        digests = [f"{self._reference.repository}@{self._top_digest}"]
        tags = [] if self._at.digest else [self._reference.name]
        try:
            return self._store.images.create(config, tags=tags, digests=digests)
        except BadParameter as error:
            raise Failed(f"{self._reference}: {error.message}") from error


class Closing:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __enter__(self) -> Answer:
        return self._answer

    def __exit__(self, *_: object) -> None:
        self._answer.close()
