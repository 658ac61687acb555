"""The development CA on disk: made at first use, renewed in time, safe between processes.

``root.pem``, ``intermediate.pem`` and ``leaf.pem`` hold a key and its certificates in one file
each, so that one rename replaces both and no reader meets a key without its certificate.
``trust-anchor.pem`` holds the root's certificate and those of former roots, for verifiers; it is
no secret. ``former-roots.pem`` remembers the former ones, whose keys are gone.

The root's key is needed only to make an intermediate, or a leaf where there is none. Where there is
one, ``root.pem`` can be kept elsewhere.
"""

from pathlib import Path

from cryptography import x509

from provenance.credentials.keys import algorithms, certificates
from provenance.credentials.keys.certificates import KeyPair, certificates_pem
from provenance.credentials.keys.files import make_private_folder, read_private
from provenance.credentials.keys.parsing import parse_all
from provenance.errors import CredentialError, UserError
from provenance.files import folder_lock, write_atomic

FOLDER = "development-ca"
ROOT, INTERMEDIATE, LEAF = "root.pem", "intermediate.pem", "leaf.pem"
ANCHOR, FORMER = "trust-anchor.pem", "former-roots.pem"
_LOCK_WAIT_S = 60.0
_PRIVATE, _PUBLIC = 0o600, 0o644


def ensure_authority(config: Path) -> Path:
    """Return the path of a leaf that can sign now, after making whatever is missing or ends soon.

    The root stays when the leaf is renewed, so that older files keep verifying against the same
    anchor (until their leaf expires; see the README on time-stamps).

    Args:
        config: The user's config folder.

    Raises:
        CredentialError: The folder cannot be written, or a key is damaged, missing or open to
            others.
        UserError: Another process holds the folder for more than a minute.
    """
    folder = config / FOLDER
    make_private_folder(folder)
    if not _is_ready(folder):
        with folder_lock(folder, wait_s=_LOCK_WAIT_S):
            if not _is_ready(folder):  # another process may have made it meanwhile
                _complete(folder)
    return folder / LEAF


def create_authority(
    config: Path, *, algorithm: str = algorithms.DEFAULT, intermediate: bool = False
) -> Path:
    """Make a development CA where there is none, and return its folder.

    Args:
        config: The user's config folder.
        algorithm: Of the leaf, one of :data:`~provenance.credentials.keys.algorithms.ALGORITHMS`;
            the authorities above it follow :func:`~.algorithms.issuer_algorithm`.
        intermediate: Put an authority between root and leaf.

    Raises:
        UserError: There is one already.
        CredentialError: The folder cannot be written.
    """
    folder = config / FOLDER
    make_private_folder(folder)
    with folder_lock(folder, wait_s=_LOCK_WAIT_S):
        if _has_any(folder):
            raise UserError(
                f"There is a development CA in {folder} already. See it with: provenance keys"
                " list. Renew it with: provenance keys rotate"
            )
        _new_root(folder, algorithm, intermediate=intermediate)
        _new_leaf(folder, algorithm)
    return folder


def rotate_authority(
    config: Path,
    *,
    root: bool = False,
    algorithm: str | None = None,
    intermediate: bool | None = None,
    forget: bool = False,
) -> Path:
    """Replace the leaf, or all keys, and return the CA's folder. Replaced keys are destroyed.

    Certificates of former roots stay among the trust anchors, so that what was signed under them
    keeps verifying here, and for whoever gets the new ``trust-anchor.pem``.

    Args:
        config: The user's config folder.
        root: Make a new root as well, and a new intermediate where there is one.
        algorithm: Of the new leaf (with ``root``, of all of them); None keeps the present one.
        intermediate: Whether an authority stands between root and leaf; None leaves it so.
        forget: Stop trusting former roots, and with ``root`` the present one: their keys were, or
            may have been, stolen.

    Raises:
        UserError: There is no development CA yet.
        CredentialError: A key that is needed is damaged, missing or open to others.
    """
    folder = config / FOLDER
    make_private_folder(folder)
    with folder_lock(folder, wait_s=_LOCK_WAIT_S):
        if not _has_any(folder):
            raise UserError(f"There is no development CA in {folder}. Run: provenance keys init")
        algorithm = algorithm or _present_algorithm(folder)
        wanted = (folder / INTERMEDIATE).exists() if intermediate is None else intermediate
        if root:
            _new_root(folder, algorithm, intermediate=wanted, forget=forget)
        else:
            _set_intermediate(folder, algorithm, wanted=wanted)
        if forget:
            _forget(folder)
        _new_leaf(folder, algorithm)
    return folder


def anchor_path(config: Path) -> Path:
    """Return where the root certificates of this machine's development CA lie, if there is one."""
    return config / FOLDER / ANCHOR


def load_pair(path: Path) -> tuple[KeyPair, bytes]:
    """Return the key with its certificate, and the whole PEM text, of a private file.

    Raises:
        CredentialError: As :func:`ensure_authority`.
    """
    pem = read_private(path)
    try:
        return certificates.parse_pair(pem), pem
    except CredentialError as error:
        command = "rotate" if path.name == LEAF else "rotate --root"
        raise CredentialError(
            f"{path}: {error}. Restore it from a copy, or replace it with: provenance keys"
            f" {command}"
        ) from error


def root_certificates(folder: Path) -> list[x509.Certificate]:
    """Return the present root and then the former ones, as far as the CA's folder knows them.

    Raises:
        CredentialError: A file of certificates is damaged.
    """
    names = (ROOT, ANCHOR, FORMER)
    found = [one for name in names for one in read_certificates(folder / name)]
    return list(dict.fromkeys(found))


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, whatever else it holds; none where it is missing.

    Raises:
        CredentialError: It cannot be read, or a certificate is damaged.
    """
    try:
        data = path.read_bytes()
        return parse_all(data) if b"BEGIN CERTIFICATE" in data else []
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"Cannot read the certificates in {path}: {error}. Restore the file from a copy."
        ) from error


def _has_any(folder: Path) -> bool:
    return any((folder / name).exists() for name in (ROOT, INTERMEDIATE, LEAF, ANCHOR))


def _is_ready(folder: Path) -> bool:
    if not all((folder / name).exists() for name in (LEAF, ANCHOR)):
        return False
    pair, _ = load_pair(folder / LEAF)
    return certificates.is_fresh(pair.certificate)


def _complete(folder: Path) -> None:
    """Make what is missing: all of it where there is nothing, else a leaf under what is there."""
    algorithm = _present_algorithm(folder)
    if not _has_any(folder):
        _new_root(folder, algorithm, intermediate=False)
    elif (folder / INTERMEDIATE).exists():
        _set_intermediate(folder, algorithm, wanted=True)
    _new_leaf(folder, algorithm)


def _present_algorithm(folder: Path) -> str:
    """Return what the present leaf signs with; the default where there is none that can be read."""
    try:
        leaf = read_certificates(folder / LEAF)
        return algorithms.algorithm_of(leaf[0].public_key()) if leaf else algorithms.DEFAULT
    except CredentialError:
        return algorithms.DEFAULT  # the key is about to be replaced


def _new_root(folder: Path, algorithm: str, *, intermediate: bool, forget: bool = False) -> None:
    """Write a new root in an order in which a kill at any point leaves old files trusted."""
    above = algorithms.issuer_algorithm(algorithm)
    root = certificates.make_root(above)
    former = [] if forget else _known_roots(folder)
    if former:
        write_atomic(folder / FORMER, certificates_pem(*former), mode=_PUBLIC)
    write_atomic(folder / ROOT, root.to_pem(), mode=_PRIVATE)
    write_atomic(folder / ANCHOR, certificates_pem(root.certificate, *former), mode=_PUBLIC)
    (folder / INTERMEDIATE).unlink(missing_ok=True)
    if intermediate:
        _new_intermediate(folder, root, above)


def _forget(folder: Path) -> None:
    """Leave only the present root among the trust anchors."""
    present = root_certificates(folder)[:1]
    write_atomic(folder / ANCHOR, certificates_pem(*present), mode=_PUBLIC)
    (folder / FORMER).unlink(missing_ok=True)


def _known_roots(folder: Path) -> list[x509.Certificate]:
    """As :func:`root_certificates`, but what is damaged is about to be replaced."""
    found: list[x509.Certificate] = read_certificates(folder / FORMER)
    for name in (ANCHOR, ROOT):
        try:
            found = [*read_certificates(folder / name), *found]
        except CredentialError:
            continue  # the other of the two has the same certificate
    return list(dict.fromkeys(found))


def _set_intermediate(folder: Path, algorithm: str, *, wanted: bool) -> None:
    """Make an intermediate that is wanted and missing or ends soon; remove one that is not."""
    path = folder / INTERMEDIATE
    if not wanted:
        _root(folder)  # it signs the leaf from now on
        path.unlink(missing_ok=True)
        return
    if path.exists():
        pair, _ = load_pair(path)
        if certificates.is_fresh(pair.certificate, days_left=certificates.LEAF_DAYS):
            return
    _new_intermediate(folder, _root(folder), algorithms.issuer_algorithm(algorithm))


def _new_intermediate(folder: Path, root: KeyPair, algorithm: str) -> None:
    if not certificates.may_have_intermediate(root.certificate):
        raise CredentialError(
            f"The root in {folder} may not have an authority below it. Make a new one with:"
            " provenance keys rotate --root --intermediate"
        )
    pair = certificates.make_intermediate(root, algorithm)
    write_atomic(folder / INTERMEDIATE, pair.to_pem(root.certificate), mode=_PRIVATE)


def _root(folder: Path) -> KeyPair:
    """Return the root with its key, good for the life of a leaf."""
    path = folder / ROOT
    if not path.exists():
        raise CredentialError(
            f"The root's key {path} is needed and not there. Put it back for a moment, or make a"
            " new root with: provenance keys rotate --root"
        )
    root, _ = load_pair(path)
    if not certificates.is_fresh(root.certificate, days_left=certificates.LEAF_DAYS):
        raise CredentialError(
            f"The root in {folder} ends within a year. Make a new one, and keep trusting files"
            " under the old one, with: provenance keys rotate --root"
        )
    return root


def _new_leaf(folder: Path, algorithm: str) -> None:
    """Write the trust anchors and a new leaf under the lowest authority."""
    path = folder / INTERMEDIATE
    issuer = load_pair(path)[0] if path.exists() else _root(folder)
    anchors = root_certificates(folder)
    leaf = certificates.make_leaf(issuer, algorithm)
    write_atomic(folder / ANCHOR, certificates_pem(*anchors), mode=_PUBLIC)
    write_atomic(folder / LEAF, leaf.to_pem(issuer.certificate), mode=_PRIVATE)
