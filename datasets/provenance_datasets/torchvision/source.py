"""Reads torchvision's data sets from a folder; fetches them only when told to."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance import InputSpec, Media, UnreadableError, UserError
from provenance_datasets.cache import cache_folder
from provenance_datasets.records import Record, cut_records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRAIN, _SPLIT = {"train": True}, {"split": "train"}
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "CIFAR10": _TRAIN,
    "CIFAR100": _TRAIN,
    "MNIST": _TRAIN,
    "FashionMNIST": _TRAIN,
    "KMNIST": _TRAIN,
    "STL10": _SPLIT,
    "SVHN": _SPLIT,
    "GTSRB": _SPLIT,
    "DTD": _SPLIT,
    "Flowers102": _SPLIT,
    "Food101": _SPLIT,
    "FGVCAircraft": _SPLIT,
    "OxfordIIITPet": {"split": "trainval"},
    "CelebA": _SPLIT,
    "EuroSAT": {},
    "Caltech101": {},
    "Caltech256": {},
}
"""Name to what chooses its training images. Classes that unpickle whatever lies in a folder are not
here; CIFAR's are pickles, which torchvision opens only where their MD5 is the published one."""


class TorchvisionSource:
    """The source ``torchvision:NAME[@FOLDER]``.

    Args:
        argument: Name of a data set, and where it lies; the user's cache where that is left out.

    Raises:
        UserError: torchvision is not installed, or the name is not known here.
    """

    def __init__(self, argument: str) -> None:
        self._name, _, folder = argument.partition("@")
        if self._name not in KNOWN:
            raise UserError(
                f"torchvision:NAME takes one of {', '.join(KNOWN)}, not {self._name!r}."
            )
        self._root = Path(folder).expanduser() if folder else cache_folder("torchvision")

    def download(self) -> None:
        """Fetch the data set into its folder.

        Raises:
            UserError: It cannot be fetched.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            self._open(download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(f"{self._name} cannot be fetched: {error}") from error

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> Sequence[Media]:
        """Return up to ``count`` patches, one of each image in turn, images in a seeded order.

        Args:
            window: A square crop of ``size_px``.
            count: None for all.
            seed: Of the order.

        Raises:
            UserError: The data set is not in its folder, or has no image of that size.
        """
        try:
            data = self._open(download=False)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{self._name} is not in {self._root}. Add --download to fetch it, or name the"
                f" folder that holds it: torchvision:{self._name}@FOLDER."
            ) from error
        names = _class_names(data)
        records = [
            Record(f"{self._name}/{number:06d}", partial(_read, data, number, names))
            for number in range(len(data))
        ]
        where = f"torchvision:{self._name}"
        items = cut_records(
            records, window, source="torchvision", where=where, count=count, seed=seed
        )
        if not items:
            raise UserError(f"{where} has no image of {window.size_px} px. Ask for a smaller size.")
        return items

    def _open(self, *, download: bool) -> Any:
        try:
            from torchvision import datasets
        except ImportError:
            raise UserError(
                "torchvision is not installed. Install provenance-suite[sources]."
            ) from None
        chosen = KNOWN[self._name]
        return getattr(datasets, self._name)(str(self._root), download=download, **chosen)


def _class_names(data: Any) -> Sequence[str]:
    """Return the names of classes by number; none where the data set has none."""
    names = getattr(data, "classes", None) or getattr(data, "categories", None) or ()
    # MNIST's are "0 - zero"; a class is typed on a command line
    return [str(name).replace(" - ", "-").replace(" ", "_") for name in names]


def _read(data: Any, number: int, names: Sequence[str]) -> "tuple[NDArray[np.uint8], str | None]":
    import numpy as np
    from PIL.Image import DecompressionBombError

    try:
        picture, target = data[number]
        pixels = np.asarray(picture.convert("RGB"), np.uint8)
    except (
        OSError,
        ValueError,
        SyntaxError,
        DecompressionBombError,
    ) as error:  # what Pillow raises for damaged files
        raise UnreadableError(str(error)) from error
    is_class = isinstance(target, int) or getattr(target, "ndim", None) == 0
    if not is_class:  # CelebA's attributes
        return pixels, None
    label = int(target)
    return pixels, names[label] if 0 <= label < len(names) else str(label)
