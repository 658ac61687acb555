"""Three handwritten digits stacked as colour channels: a source with exactly 1,000 modes."""

from provenance import Dataset, DatasetSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDataset

SPEC = DatasetSpec(
    name="stacked-digits",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Three digits as colour channels: 1,000 modes, to count how many a generator keeps.",
    licence="CC-BY-4.0 (UCI, E. Alpaydin and C. Kaynak; as scikit-learn carries them)",
)


def open_stacked_digits(argument: str) -> Dataset:
    """Open the source; nothing may stand after the colon."""
    from provenance_datasets.stacked_digits.source import StackedDigits

    return StackedDigits(argument)


@hookimpl
def register_datasets(register: RegisterDataset) -> None:
    """Offer ``stacked-digits``."""
    register(SPEC, open_stacked_digits)
