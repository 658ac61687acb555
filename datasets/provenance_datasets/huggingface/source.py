"""Reads data sets with Hugging Face's ``datasets``; the network stays off unless it is asked for.

Images come as the bytes of their files and pass through this suite's decoder, with its limits. The
library runs no code of a data set (scripts are gone since its version 4, and off before).
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance import InputSpec, Media, UnreadableError, UserError
from provenance.media import ImageLimits, decode_image
from provenance_datasets.records import Record, cut_records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPLIT = "train"
_LABELS = ("label", "labels", "class", "category", "fine_label")
_MOST_CLASS_CHARACTERS = 200


class HuggingFaceSource:
    """The source ``huggingface:NAME[@SPLIT]``.

    Args:
        argument: Name on the hub (``uoft-cs/cifar10``), or a local folder (it begins with ``.``,
            ``/`` or ``~``) that holds Parquet files or an image folder; ``train`` where no split
            is named.

    Raises:
        UserError: There is no name.
    """

    def __init__(self, argument: str) -> None:
        self._name, _, split = argument.partition("@")
        self._split = split or _SPLIT
        if not self._name:
            raise UserError("huggingface needs a name: --real huggingface:uoft-cs/cifar10")
        self._is_local = self._name[0] in "./~"

    def download(self) -> None:
        """Fetch the data set into the library's cache.

        Raises:
            UserError: It cannot be fetched.
        """
        if not self._is_local:
            self._load("It cannot be fetched")

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> Sequence[Media]:
        """Return up to ``count`` patches, one of each image in turn, images in a seeded order.

        Args:
            window: A square crop of ``size_px``.
            count: None for all.
            seed: Of the order.

        Raises:
            UserError: The data set is not on this machine, or has no images of that size.
        """
        with _offline():
            data = self._load("Add --download to fetch it where it is not on this machine")
        column = _image_column(data, self._name)
        rows = data.cast_column(column, _undecoded())
        label, names = _label_column(data)
        own = self._folders()
        records = [
            Record(f"{self._split}/{n:07d}", partial(_read, rows, n, column, label, names, own))
            for n in range(len(rows))
        ]
        where = f"huggingface:{self._name}"
        licence = str(data.info.license) or None
        items = cut_records(
            records,
            window,
            source="huggingface",
            where=where,
            count=count,
            seed=seed,
            licence=licence,
        )
        if not items:
            raise UserError(f"{where} has no image of {window.size_px} px. Ask for a smaller size.")
        return items

    def _folders(self) -> list[Path]:
        """Return where files of the data set may lie: its own folder, or the library's caches."""
        import huggingface_hub.constants

        config = _library().config
        caches = (
            *(config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH),
            huggingface_hub.constants.HF_HUB_CACHE,
        )
        places = (self._name,) if self._is_local else caches
        return [Path(place).expanduser().resolve() for place in places]

    def _load(self, remedy: str) -> Any:
        datasets = _library()
        try:
            if not self._is_local:
                return datasets.load_dataset(self._name, split=self._split)
            return self._load_folder(datasets)
        except (OSError, ValueError, RuntimeError) as error:
            # the library has dozens of classes of errors below these three
            first = str(error).strip().partition("\n")[0]
            raise UserError(
                f"huggingface:{self._name} cannot be read: {first} {remedy}."
            ) from error

    def _load_folder(self, datasets: Any) -> Any:
        folder = Path(self._name).expanduser()
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Check the path after 'huggingface:'.")
        tables = sorted(folder.rglob("*.parquet"))
        if not tables:
            return datasets.load_dataset("imagefolder", data_dir=str(folder), split=self._split)
        own = [path for path in tables if self._split in path.name] or tables
        files = {self._split: [str(path) for path in own]}
        return datasets.load_dataset("parquet", data_files=files, split=self._split)


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError(
            "Hugging Face's datasets is not installed. Install provenance-suite[sources]."
        ) from None
    return datasets


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Keep the library from asking its hub, even whether a data set has changed."""
    import huggingface_hub.constants

    datasets = _library()
    places = ((datasets.config, "HF_HUB_OFFLINE"), (huggingface_hub.constants, "HF_HUB_OFFLINE"))
    before = [getattr(module, name) for module, name in places]
    try:
        for module, name in places:
            setattr(module, name, True)
        yield
    finally:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)


def _undecoded() -> Any:
    return _library().Image(decode=False)


def _image_column(data: Any, name: str) -> str:
    kind = _library().Image
    for column, feature in data.features.items():
        if isinstance(feature, kind):
            return str(column)
    raise UserError(f"huggingface:{name} has no column of images: {', '.join(data.features)}.")


def _label_column(data: Any) -> tuple[str | None, Sequence[str]]:
    """Return the column of classes, and their names by number where they are numbers."""
    kind = _library().ClassLabel
    for column, feature in data.features.items():
        if isinstance(feature, kind):
            return str(column), list(feature.names)
    return next((name for name in _LABELS if name in data.features), None), ()


def _file(name: str, folders: Sequence[Path]) -> bytes:
    """Return the file that a row names instead of holding it. Hostile: a table may name any path.

    Raises:
        UnreadableError: It lies elsewhere than the data set does, or cannot be read.
    """
    most = ImageLimits().max_bytes
    try:
        path = Path(name).resolve(strict=True)
        if not path.is_file() or not any(path.is_relative_to(folder) for folder in folders):
            raise UnreadableError(f"{name!a} is no file of the data set")
        with path.open("rb") as stream:
            return stream.read(most + 1)  # one more, so that the decoder refuses it
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be read: {error}") from error


def _read(
    rows: Any,
    number: int,
    column: str,
    label: str | None,
    names: Sequence[str],
    folders: Sequence[Path],
) -> "tuple[NDArray[np.uint8], str | None]":
    row = rows[number]
    stored = row[column] or {}
    content = stored.get("bytes") or _file(str(stored.get("path")), folders)
    value = None if label is None else row[label]
    if isinstance(value, int) and 0 <= value < len(names):
        value = names[value]
    category = None if value is None else str(value)[:_MOST_CLASS_CHARACTERS]
    return decode_image(content), category
