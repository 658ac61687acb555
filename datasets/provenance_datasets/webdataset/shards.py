"""What lies where in a tar shard: bounded, for shards come from anywhere."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from provenance import UnreadableError

_IMAGES = frozenset({"png", "jpg", "jpeg", "webp", "gif", "tif", "tiff", "bmp"})
_CLASS, _FACTS = "cls", "json"
_MOST_MEMBERS = 1_000_000
_MOST_IMAGE_BYTES = 256 << 20
_MOST_TEXT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a shard: where its bytes begin, and how many there are."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The files of one key.

    Attributes:
        shard: The tar file.
        key: Its name without suffixes.
        image: The picture.
        category: ``.cls``, or None.
        facts: ``.json``, or None.
    """

    shard: Path
    key: str
    image: Member
    category: Member | None
    facts: Member | None


def read_samples(shard: Path) -> Iterator[Sample]:
    """Yield the samples of a shard that have an image.

    Links, devices and sparse files are passed over, and so are members that are too large.

    Args:
        shard: A tar file that is not compressed. Hostile.

    Raises:
        UnreadableError: It cannot be read, is damaged, or has more than a million members.
    """
    try:
        found = _members(shard)
    except (OSError, tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        # the last three: extended headers with numbers that are none, or thousands one upon another
        raise UnreadableError(
            f"{shard} cannot be read as a tar file that is not compressed: {error}"
        ) from error
    for key, parts in found.items():
        images = [parts[suffix] for suffix in sorted(parts) if suffix in _IMAGES]
        if images:
            yield Sample(shard, key, images[0], parts.get(_CLASS), parts.get(_FACTS))


def read_member(shard: Path, member: Member) -> bytes:
    """Return the bytes of a file in a shard.

    Raises:
        UnreadableError: The shard has changed or cannot be read.
    """
    try:
        with shard.open("rb") as stream:
            stream.seek(member.offset)
            data = stream.read(member.size)
    except OSError as error:
        raise UnreadableError(f"{shard} cannot be read: {error.strerror or error}") from error
    if len(data) < member.size:
        raise UnreadableError(f"{shard} ends in the middle of a file")
    return data


def _members(shard: Path) -> dict[str, dict[str, Member]]:
    """Return key to suffix to member, in the order of the tar."""
    found: dict[str, dict[str, Member]] = {}
    with tarfile.open(shard, "r:") as archive:
        for number, info in enumerate(archive):
            archive.members = []  # type: ignore[attr-defined]  # the archive would remember every member that it has passed
            if number >= _MOST_MEMBERS:
                raise UnreadableError(f"{shard} has more than {_MOST_MEMBERS} members")
            if not info.isreg() or info.issparse():
                continue
            path = PurePosixPath(info.name)
            stem, _, suffix = path.name.partition(".")
            kind = suffix.lower().rpartition(".")[2]
            # a size may be negative, which would later read all the rest
            if not 0 <= info.size <= (_MOST_IMAGE_BYTES if kind in _IMAGES else _MOST_TEXT_BYTES):
                continue
            key = str(path.with_name(stem)) if stem else ""
            if key and kind in _IMAGES | {_CLASS, _FACTS}:
                # of two files of one name the later one is what tar would leave behind
                found.setdefault(key, {})[kind] = Member(info.offset_data, info.size)
    return found
