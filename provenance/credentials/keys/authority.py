"""The development CA on disk: made at first use, renewed in time, safe between processes.

``development-ca/root.pem`` and ``leaf.pem`` hold a key and its certificates in one file each, so
that one rename replaces both and no reader meets a key without its certificate.
``trust-anchor.pem`` is the root's certificate alone, for verifiers; it is no secret.
"""

from pathlib import Path

from provenance.credentials.keys import certificates
from provenance.credentials.keys.certificates import KeyPair
from provenance.credentials.keys.files import make_private_folder, read_private
from provenance.errors import CredentialError
from provenance.files import folder_lock, write_atomic

FOLDER = "development-ca"
ROOT, LEAF, ANCHOR = "root.pem", "leaf.pem", "trust-anchor.pem"
_LOCK_WAIT_S = 60.0


def ensure_authority(config: Path) -> Path:
    """Return the path of a leaf that can sign now, after making whatever is missing or ends soon.

    The root stays when the leaf is renewed, so that older files keep verifying against the same
    anchor (until their leaf expires; see the README on time-stamps).

    Args:
        config: The user's config folder.

    Raises:
        CredentialError: The folder cannot be written, or a key is damaged or open to others.
        UserError: Another process holds the folder for more than a minute.
    """
    folder = config / FOLDER
    make_private_folder(folder)
    leaf = folder / LEAF
    if not _is_ready(folder):
        with folder_lock(folder, wait_s=_LOCK_WAIT_S):
            if not _is_ready(folder):  # another process may have made it meanwhile
                _make(folder)
    return leaf


def anchor_path(config: Path) -> Path:
    """Return where the root certificate of this machine's development CA lies, if there is one."""
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
        raise CredentialError(
            f"{path}: {error}. Delete {path.parent} to have a new development CA made;"
            " files signed by the old one are then no longer trusted here."
        ) from error


def _is_ready(folder: Path) -> bool:
    if not all((folder / name).exists() for name in (ROOT, LEAF, ANCHOR)):
        return False
    pair, _ = load_pair(folder / LEAF)
    return certificates.is_fresh(pair.certificate)


def _make(folder: Path) -> None:
    if not (folder / ROOT).exists():
        write_atomic(folder / ROOT, certificates.make_root().to_pem(), mode=0o600)
    root, _ = load_pair(folder / ROOT)
    if not certificates.is_fresh(root.certificate, days_left=certificates.LEAF_DAYS):
        raise CredentialError(
            f"The root in {folder} ends within a year. Copy {folder / ANCHOR} elsewhere, to verify"
            f" older files with --trust-anchors, then delete {folder} to have a new CA made."
        )
    leaf = certificates.make_leaf(root)
    write_atomic(folder / ANCHOR, certificates.certificates_pem(root.certificate), mode=0o644)
    write_atomic(folder / LEAF, leaf.to_pem(root.certificate), mode=0o600)
