"""Data sets of the Hugging Face hub as sources of real media: ``huggingface:NAME[@SPLIT]``."""

from provenance import Dataset, DatasetSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDataset

SPEC = DatasetSpec(
    name="huggingface",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Image data sets of the Hugging Face hub, or on disk; fetched with --download.",
    licence="the data set's own",
    argument="NAME[@SPLIT]",
    downloads=True,
)


def open_huggingface(argument: str) -> Dataset:
    """Open the data set that stands after the colon."""
    from provenance_datasets.huggingface.source import HuggingFaceSource

    return HuggingFaceSource(argument)


@hookimpl
def register_datasets(register: RegisterDataset) -> None:
    """Offer ``huggingface``."""
    register(SPEC, open_huggingface)
