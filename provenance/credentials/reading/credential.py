"""What is known of one file's credential: four axes, and one sentence that follows from them."""

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from provenance.credentials.reading.details import CertificateClaim
    from provenance.credentials.reading.tree import TreeNode

Integrity = Literal["ok", "failed", "none"]
SignerTrust = Literal["trusted", "untrusted", "expired", "revoked", "none"]
TimeTrust = Literal["trusted", "untrusted", "none"]
Ancestors = Literal["ok", "failed", "untrusted", "none"]
Revocation = Literal["not revoked", "revoked", "unknown"]
Place = Literal["embedded", "sidecar", "remote", "none"]

NO_CREDENTIAL = "It carries no credential, which says nothing about how it was made."


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """Where credentials are looked for, and how much of them is kept. The default asks no network.

    Attributes:
        sidecars: Whether ``x.c2pa`` beside ``x.jpg`` is read where ``x.jpg`` carries none itself.
        remote_hosts: Servers, by exact name in lower case, whose manifests may be fetched where a
            file names them. Empty: nothing is ever fetched.
        detailed: Whether :attr:`Credential.details` is filled, which keeps the whole report.
        thumbnails: Whether the details hold pictures, which are decoded for it.
        fetch: Fetches a manifest: called as :func:`provenance.credentials.fetching.fetch`, which
            it is when None. Must be picklable where worker processes read.
    """

    sidecars: bool = True
    remote_hosts: frozenset[str] = frozenset()
    detailed: bool = False
    thumbnails: bool = False
    fetch: Callable[..., bytes] | None = None


@dataclass(frozen=True, slots=True)
class CredentialDetails:
    """All that the library reports of a credential, for pages and trees. Hostile text throughout.

    Attributes:
        store: The library's report as it stands, parsed from JSON.
        tree: The file and all that it was made from.
        certificates: The signers' certificates by label of the manifest.
        thumbnails: Small JPEG files, encoded here, by the URI that names them in the tree.
    """

    store: Mapping[str, Any]
    tree: "TreeNode"
    certificates: "Mapping[str, CertificateClaim]" = field(default_factory=dict)
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)


class _PickledByValues:
    """Base of what every worker sends for every file.

    Without it, a frozen class with slots is pickled and read by a loop in Python over its fields.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        kind: Any = type(self)
        return kind, _values_of(kind)(self)


@functools.cache
def _values_of(kind: type[Any]) -> Callable[[object], tuple[Any, ...]]:
    """Return what takes the values of all fields, of which there are several, in their order."""
    return operator.attrgetter(*(one.name for one in fields(kind)))


@dataclass(frozen=True, slots=True)
class Library(_PickledByValues):
    """What the C2PA library itself says, for comparison; too coarse to be a verdict.

    Attributes:
        state: ``Trusted``, ``Valid``, ``Invalid``, ``NoManifest``, or ``error``.
        active_failures: (code, explanation) of the file's own manifest.
        ingredient_failures: (label, codes) of what validates otherwise than its signer recorded.
        n_manifests: Manifests in the file, ancestors included.
        error: The exception, where there was one.
    """

    state: str
    active_failures: tuple[tuple[str, str], ...] = ()
    ingredient_failures: tuple[tuple[str, tuple[str, ...]], ...] = ()
    n_manifests: int = 0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the report."""
        return {
            "state": self.state,
            "active_failures": [list(failure) for failure in self.active_failures],
            "ingredient_failures": [
                [label, list(codes)] for label, codes in self.ingredient_failures
            ],
            "n_manifests": self.n_manifests,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Statements(_PickledByValues):
    """What a manifest says. Claims of its signer, written by whoever made the file: hostile text.

    Attributes:
        title: Name of the file at signing.
        generator: Software that wrote the claim.
        claimed_issuer: Organisation in the signer's certificate. A fact only if the signer is
            trusted: anybody can make a certificate that says "Adobe Inc".
        claimed_signer: Common name in the certificate.
        claimed_identities: Who says, in an identity assertion (CAWG) beside the signature, that
            they published the file. No anchors for identities are given, so never a fact.
        signed_at: Time of the time-stamp; a fact only if the time axis is ``trusted``.
        source_type: What the media is now: name of a digital source type, by the newest action that
            speaks of the whole, as "composite with media made by a model" does of an edited one.
        origin: How it first came to be, by the oldest action. The parents' words are taken for
            both where this manifest only opens and edits one that verifies.
        edit_types: Source types of the edits that followed.
        editorial: Whether there were edits that change what is seen or heard.
        actions: All actions of the manifest, in order.
    """

    title: str | None = None
    generator: str | None = None
    claimed_issuer: str | None = None
    claimed_signer: str | None = None
    claimed_identities: tuple[str, ...] = ()
    signed_at: str | None = None
    source_type: str | None = None
    origin: str | None = None
    edit_types: tuple[str, ...] = ()
    editorial: bool = False
    actions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the report."""
        return {
            "title": self.title,
            "generator": self.generator,
            "claimed_issuer": self.claimed_issuer,
            "claimed_signer": self.claimed_signer,
            "claimed_identities": list(self.claimed_identities),
            "signed_at": self.signed_at,
            "source_type": self.source_type,
            "origin": self.origin,
            "edit_types": list(self.edit_types),
            "editorial": self.editorial,
            "actions": list(self.actions),
        }


@dataclass(frozen=True, slots=True)
class Credential(_PickledByValues):
    """The verdict on one file's credential.

    Attributes:
        integrity: Whether the file, and everything stored in its manifests, is what was signed.
            ``none``: there is no credential that could be checked.
        signer: Whether a given trust anchor vouches for the signer.
        time: Whether a trusted authority vouches for the time of signing.
        ancestors: The worst of everything that the file was made from, at any depth.
        conclusion: One sentence for people; holds no text from the file but a trusted issuer, and
            beside it only names of files and servers, escaped.
        statements: What the manifest says.
        library: What the library says.
        is_present: Whether the file carries or names a credential, even one that cannot be
            checked: on a server, or of a form that nothing checks any more.
        remote_url: Where the file says that its manifest lies; never fetched.
        error: Why the file could not be examined, or None.
        place: Where the credential was found: in the file, beside it, on a server, or nowhere.
        trusted_by: Name of the trust list that vouches for the signer; None where none does.
        revocation: What an answer of the certificate's issuer (OCSP) that is stapled into the file
            says; None without one. Nobody is asked.
        signals: What the credential says of the origin, in the words of the conformance
            programme (:mod:`provenance.credentials.reading.signals`). Claims, as ``statements``.
        details: The whole report; None unless asked for.
        is_sidecar: Whether what was read is a sidecar: a manifest store without media of its own.
            The axes are then those of the file that it belongs to, where that lies beside it.
        paired_with: Name of the other one of a pair: the sidecar that was used, or the file that
            the sidecar belongs to.
        notes: Circumstances that stand in the conclusion too, as clauses: a sidecar that was not
            used, a publisher who is named, parts of the file that are not signed.
    """

    integrity: Integrity
    signer: SignerTrust
    time: TimeTrust
    ancestors: Ancestors
    conclusion: str
    statements: Statements = field(default_factory=Statements)
    library: Library = field(default_factory=lambda: Library("NoManifest"))
    is_present: bool = False
    remote_url: str | None = None
    error: str | None = None
    place: Place = "none"
    trusted_by: str | None = None
    revocation: Revocation | None = None
    signals: tuple[str, ...] = ()
    details: CredentialDetails | None = None
    is_sidecar: bool = False
    paired_with: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def source_type(self) -> str | None:
        """How the media came to be, as the signer claims."""
        return self.statements.source_type

    @property
    def origin(self) -> str | None:
        """How the media first came to be, as the signer claims."""
        return self.statements.origin

    @property
    def is_broken(self) -> bool:
        """Whether it must not be relied on: something does not match, or the key is revoked."""
        return "failed" in (self.integrity, self.ancestors) or self.signer == "revoked"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the report."""
        return {
            "integrity": self.integrity,
            "signer": self.signer,
            "time": self.time,
            "ancestors": self.ancestors,
            "conclusion": self.conclusion,
            **self.statements.to_json(),
            "is_present": self.is_present,
            "place": self.place,
            "trusted_by": self.trusted_by,
            "revocation": self.revocation,
            "signals": list(self.signals),
            "remote_url": self.remote_url,
            "is_sidecar": self.is_sidecar,
            "paired_with": self.paired_with,
            "notes": list(self.notes),
            "error": self.error,
            "library": self.library.to_json(),
        }


def absent(conclusion: str = NO_CREDENTIAL, **more: Any) -> Credential:
    """Return the credential of a file that has none, or none that can be checked."""
    return Credential("none", "none", "none", "none", conclusion, **more)
