"""`docker rmi`: when a name goes, when the image goes with it, and who may object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from voldemo.engine.errors import Conflict
from voldemo.engine.store.image import Image, chain_ids, short
from voldemo.engine.store.references import Reference

if TYPE_CHECKING:
    from voldemo.engine.store.images import Images

InUse = Callable[[str], tuple[str, bool] | None]
Records = list[dict[str, str]]


def remove(images: Images, ref: str, force: bool, in_use: InUse, prune: bool) -> Records:
    image, records = images.get(ref), []
    names = images.references(image.id)
    if not images.by_id(ref):
        user = in_use(image.id)
        if not force and single(names) and user:
            raise Conflict(
                f'conflict: unable to remove repository reference "{ref}" (must force) - container {short(user[0])} '
                f"is using its referenced image {short(image.id)}"
            )
        records += _untag(images, image, ref)
        if images.references(image.id):
            return records
        try:
            return records + delete(images, image, force, in_use, prune)
        except Conflict:  # the name is gone, which was asked for; who needs the image keeps it
            return records
    if single(names):
        check(images, image, force, in_use, referenced=False)
        records += [{"Untagged": images.untag(name)} for name in names]
    return records + delete(images, image, force, in_use, prune)


def single(names: list[str]) -> bool:
    """One tag at most; digests of the same repository do not count."""
    tags = [name for name in names if "@" not in name]
    repositories = {Reference.parse(name, tagless=True).repository for name in names}
    return len(names) <= 1 or (len(tags) <= 1 and len(repositories) == 1)


def _untag(images: Images, image: Image, ref: str) -> Records:
    name = Reference.parse(ref)
    if str(name) not in images.names and name.digest:  # an image found by its id written as a digest
        names = [one for one in images.references(image.id)]
    else:
        names = [str(name)]
    records = [{"Untagged": images.untag(one)} for one in names]
    left = images.references(image.id)
    mine = [one for one in left if Reference.parse(one, tagless=True).repository == name.repository]
    if mine and all("@" in one for one in mine):
        records += [{"Untagged": images.untag(one)} for one in mine]
    return records


def check(images: Images, image: Image, force: bool, in_use: InUse, referenced: bool = True) -> None:
    def refuse(hard: bool, reason: str) -> Conflict:
        way = "cannot be forced" if hard else "must be forced"
        return Conflict(f"conflict: unable to delete {short(image.id)} ({way}) - {reason}")

    if images.children(image.id):
        raise refuse(True, "image has dependent child images")
    user = in_use(image.id)
    if user and user[1]:
        raise refuse(True, f"image is being used by running container {short(user[0])}")
    if force:
        return
    if referenced and images.references(image.id):
        raise refuse(False, "image is referenced in multiple repositories")
    if user:
        raise refuse(False, f"image is being used by stopped container {short(user[0])}")


def delete(images: Images, image: Image, force: bool, in_use: InUse, prune: bool) -> Records:
    check(images, image, force, in_use)
    records = [{"Untagged": images.untag(name)} for name in images.references(image.id)]
    ids = [layer.diff_id for layer in image.layers]
    chain = dict(zip(ids, chain_ids(ids), strict=True))
    gone = set(images.drop(image))
    records.append({"Deleted": image.id})
    records += [{"Deleted": chain[one]} for one in reversed(ids) if one in gone]
    parent = images.find(image.parent) if prune and image.parent else None
    if parent and not parent.tags and not parent.digests:
        try:
            records += delete(images, parent, False, in_use, True)
        except Conflict:  # a parent that is still wanted stays, silently, as with Docker
            return records
    return records
