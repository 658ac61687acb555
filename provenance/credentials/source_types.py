"""Digital source types: how media came to be, in IPTC's and C2PA's words.

Vocabulary: IPTC NewsCodes, ``http://cv.iptc.org/newscodes/digitalsourcetype/`` (release of
October 2024), and the two terms that C2PA adds (C2PA specification 2.4, 18.15). The C2PA library
signs any text in this place, so that a typing error would go unnoticed: it is refused here.
"""

from provenance.errors import UserError, did_you_mean

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
C2PA = "http://c2pa.org/digitalsourcetype/"

TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"
COMPOSITE = "composite"
COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA = "compositeWithTrainedAlgorithmicMedia"

_IPTC_NAMES = (
    "algorithmicMedia",
    "algorithmicallyEnhanced",
    COMPOSITE,
    "compositeCapture",
    "compositeSynthetic",
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    "computationalCapture",
    "dataDrivenMedia",
    "digitalCapture",
    "digitalCreation",
    "humanEdits",
    "negativeFilm",
    "positiveFilm",
    "print",
    "screenCapture",
    TRAINED_ALGORITHMIC_MEDIA,
    "virtualRecording",
)
_C2PA_NAMES = ("empty", "trainedAlgorithmicData")

SOURCE_TYPES: dict[str, str] = {
    **{name: IPTC + name for name in _IPTC_NAMES},
    **{name: C2PA + name for name in _C2PA_NAMES},
}
"""Name to URI; retired terms (``softwareImage``, ``minorHumanEdits``, ``digitalArt``) left out."""
_NAMES = {uri: name for name, uri in SOURCE_TYPES.items()}

MADE_BY_A_MODEL = frozenset({TRAINED_ALGORITHMIC_MEDIA, "trainedAlgorithmicData"})
PARTLY_MADE_BY_A_MODEL = frozenset({COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA, "compositeSynthetic"})
COMPOSED = frozenset({COMPOSITE, "compositeCapture", "humanEdits"})
KINDS_OF_EDIT = frozenset({"humanEdits", "algorithmicallyEnhanced"})
CAPTURED = frozenset(
    {"digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print"}
)


def source_type_uri(name: str) -> str:
    """Return the URI of a digital source type given by name or by URI.

    Raises:
        UserError: No such term; the message names the closest one.
    """
    if name in SOURCE_TYPES:
        return SOURCE_TYPES[name]
    if name in SOURCE_TYPES.values():
        return name
    last = name.rpartition("/")[2]
    hint = did_you_mean(last, list(SOURCE_TYPES))
    raise UserError(f"No digital source type {name!r}.{hint}")


def source_type_name(uri: str) -> str | None:
    """Return the name behind a URI as found in a manifest; None where it is no known term.

    Older manifests write ``https://`` or the names of retired terms; only the scheme is forgiven.
    """
    return _NAMES.get(uri.replace("https://", "http://", 1))
