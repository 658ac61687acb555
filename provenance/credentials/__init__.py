"""Content credentials (C2PA): keys, manifests, signing, and reading on four axes.

Nothing here opens a network connection, and no file that is read is ever written.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.credentials.keys import config_folder
    from provenance.credentials.manifests import (
        GenerationClaim,
        created_manifest,
        edited_manifest,
        generation_manifest,
        parent_ingredient,
    )
    from provenance.credentials.signing import (
        Signer,
        development_signer,
        sign_bytes,
        sign_file,
    )
    from provenance.credentials.source_types import SOURCE_TYPES, source_type_uri

__all__ = [
    "SOURCE_TYPES",
    "GenerationClaim",
    "Signer",
    "config_folder",
    "created_manifest",
    "development_signer",
    "edited_manifest",
    "generation_manifest",
    "parent_ingredient",
    "sign_bytes",
    "sign_file",
    "source_type_uri",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "GenerationClaim": "provenance.credentials.manifests",
        "SOURCE_TYPES": "provenance.credentials.source_types",
        "Signer": "provenance.credentials.signing",
        "config_folder": "provenance.credentials.keys",
        "created_manifest": "provenance.credentials.manifests",
        "development_signer": "provenance.credentials.signing",
        "edited_manifest": "provenance.credentials.manifests",
        "generation_manifest": "provenance.credentials.manifests",
        "parent_ingredient": "provenance.credentials.manifests",
        "sign_bytes": "provenance.credentials.signing",
        "sign_file": "provenance.credentials.signing",
        "source_type_uri": "provenance.credentials.source_types",
    },
)
