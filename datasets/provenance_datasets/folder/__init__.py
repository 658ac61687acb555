"""Any folder of images as a source of real media: ``folder:PATH``."""

from provenance import Dataset, DatasetSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDataset

SPEC = DatasetSpec(
    name="folder",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="The images in a folder, recursively, as patches; sub-folders name classes.",
    licence="the folder's own",
    argument="PATH",
)


def open_folder(argument: str) -> Dataset:
    """Open the folder that stands after the colon."""
    from provenance_datasets.folder.source import Folder

    return Folder(argument)


@hookimpl
def register_datasets(register: RegisterDataset) -> None:
    """Offer ``folder``."""
    register(SPEC, open_folder)
