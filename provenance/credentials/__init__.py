"""Content credentials (C2PA): keys, manifests, signing, and reading on four axes.

Nothing here opens a network connection, and no file that is read is ever written.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.credentials.engine import library_versions
    from provenance.credentials.keys.files import config_folder
    from provenance.credentials.keys.listing import expiry_warning
    from provenance.credentials.reading.credential import (
        Credential,
        CredentialDetails,
        ReadingOptions,
    )
    from provenance.credentials.reading.fragments import read_fragments
    from provenance.credentials.reading.reader import read_credential, read_credential_bytes
    from provenance.credentials.session import CredentialSession, Signed
    from provenance.credentials.signing.batches import sign_generated
    from provenance.credentials.signing.chains import (
        SigningCertificates,
        read_signing_certificates,
    )
    from provenance.credentials.signing.embedding import (
        sign_bytes,
        sign_file,
    )
    from provenance.credentials.signing.manifests import (
        GenerationClaim,
        created_manifest,
        edited_manifest,
        generation_manifest,
        parent_ingredient,
    )
    from provenance.credentials.signing.parallel import SignedRow, sign_many
    from provenance.credentials.signing.pem_key import (
        PASSPHRASE_VARIABLE,
        PemKey,
        SecretMissingError,
        read_pem_key,
    )
    from provenance.credentials.signing.recipe import Recipe
    from provenance.credentials.signing.signer import Signer, development_signer, load_signer
    from provenance.credentials.signing.stripping import Stripped, strip_credential, strip_file
    from provenance.credentials.signing.timestamps import TimestampError, TimestampPolicy
    from provenance.credentials.source_types import (
        CAPTURED,
        COMPOSED,
        MADE_BY_A_MODEL,
        PARTLY_MADE_BY_A_MODEL,
        SOURCE_TYPES,
        source_type_uri,
    )
    from provenance.credentials.trust.anchors import (
        TrustAnchors,
        TrustList,
        load_trust_anchors,
    )

__all__ = [
    "CAPTURED",
    "COMPOSED",
    "MADE_BY_A_MODEL",
    "PARTLY_MADE_BY_A_MODEL",
    "PASSPHRASE_VARIABLE",
    "SOURCE_TYPES",
    "Credential",
    "CredentialDetails",
    "CredentialSession",
    "GenerationClaim",
    "PemKey",
    "ReadingOptions",
    "Recipe",
    "SecretMissingError",
    "Signed",
    "SignedRow",
    "Signer",
    "SigningCertificates",
    "Stripped",
    "TimestampError",
    "TimestampPolicy",
    "TrustAnchors",
    "TrustList",
    "config_folder",
    "created_manifest",
    "development_signer",
    "edited_manifest",
    "expiry_warning",
    "generation_manifest",
    "library_versions",
    "load_signer",
    "load_trust_anchors",
    "parent_ingredient",
    "read_credential",
    "read_credential_bytes",
    "read_fragments",
    "read_pem_key",
    "read_signing_certificates",
    "sign_bytes",
    "sign_file",
    "sign_generated",
    "sign_many",
    "source_type_uri",
    "strip_credential",
    "strip_file",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CAPTURED": "provenance.credentials.source_types",
        "COMPOSED": "provenance.credentials.source_types",
        "Credential": "provenance.credentials.reading.credential",
        "CredentialDetails": "provenance.credentials.reading.credential",
        "CredentialSession": "provenance.credentials.session",
        "GenerationClaim": "provenance.credentials.signing.manifests",
        "MADE_BY_A_MODEL": "provenance.credentials.source_types",
        "PARTLY_MADE_BY_A_MODEL": "provenance.credentials.source_types",
        "PASSPHRASE_VARIABLE": "provenance.credentials.signing.pem_key",
        "PemKey": "provenance.credentials.signing.pem_key",
        "ReadingOptions": "provenance.credentials.reading.credential",
        "Recipe": "provenance.credentials.signing.recipe",
        "SOURCE_TYPES": "provenance.credentials.source_types",
        "SecretMissingError": "provenance.credentials.signing.pem_key",
        "Signed": "provenance.credentials.session",
        "SignedRow": "provenance.credentials.signing.parallel",
        "Signer": "provenance.credentials.signing.signer",
        "SigningCertificates": "provenance.credentials.signing.chains",
        "Stripped": "provenance.credentials.signing.stripping",
        "TimestampError": "provenance.credentials.signing.timestamps",
        "TimestampPolicy": "provenance.credentials.signing.timestamps",
        "TrustAnchors": "provenance.credentials.trust.anchors",
        "TrustList": "provenance.credentials.trust.anchors",
        "config_folder": "provenance.credentials.keys.files",
        "created_manifest": "provenance.credentials.signing.manifests",
        "development_signer": "provenance.credentials.signing.signer",
        "edited_manifest": "provenance.credentials.signing.manifests",
        "expiry_warning": "provenance.credentials.keys.listing",
        "generation_manifest": "provenance.credentials.signing.manifests",
        "library_versions": "provenance.credentials.engine",
        "load_signer": "provenance.credentials.signing.signer",
        "load_trust_anchors": "provenance.credentials.trust.anchors",
        "parent_ingredient": "provenance.credentials.signing.manifests",
        "read_credential": "provenance.credentials.reading.reader",
        "read_credential_bytes": "provenance.credentials.reading.reader",
        "read_fragments": "provenance.credentials.reading.fragments",
        "read_pem_key": "provenance.credentials.signing.pem_key",
        "read_signing_certificates": "provenance.credentials.signing.chains",
        "sign_bytes": "provenance.credentials.signing.embedding",
        "sign_file": "provenance.credentials.signing.embedding",
        "sign_generated": "provenance.credentials.signing.batches",
        "sign_many": "provenance.credentials.signing.parallel",
        "source_type_uri": "provenance.credentials.source_types",
        "strip_credential": "provenance.credentials.signing.stripping",
        "strip_file": "provenance.credentials.signing.stripping",
    },
)
