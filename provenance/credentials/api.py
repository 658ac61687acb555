"""``provenance.sign`` and ``provenance.verify``: one call each, for a file or its bytes."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from provenance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provenance.credentials import Credential, ReadingOptions, Recipe, Signer, TrustAnchors


@overload
def sign(
    source: bytes,
    out: None = None,
    *,
    recipe: "Recipe | Mapping[str, Any] | None" = None,
    signer: "Signer | None" = None,
    media_type: str | None = None,
    **words: Any,
) -> bytes: ...
@overload
def sign(
    source: Path | str | bytes,
    out: Path | str,
    *,
    recipe: "Recipe | Mapping[str, Any] | None" = None,
    signer: "Signer | None" = None,
    media_type: str | None = None,
    **words: Any,
) -> Path: ...
def sign(
    source: Path | str | bytes,
    out: Path | str | None = None,
    *,
    recipe: "Recipe | Mapping[str, Any] | None" = None,
    signer: "Signer | None" = None,
    media_type: str | None = None,
    **words: Any,
) -> bytes | Path:
    """Sign a file: say how it was made, so that whoever has it later can check that.

    A credential that the file carries is kept whole, as the parent. For many files build one
    :class:`provenance.CredentialSession`, which does the same work once. Files from strangers may
    be built to crash the library, which reads them in this process: a server that takes them signs
    and verifies them best in worker processes.

    Args:
        source: The file, or its bytes. Never written.
        out: Where the signed file goes; replaced when it exists, and only when all went well.
        recipe: What the manifest says; the defaults say "made by a model".
        signer: Whose key; the recipe's choice or, without one, this machine's development CA.
        media_type: MIME type; told from the content when None.
        words: Fields of :class:`provenance.Recipe`, as ``model="my-model"``; they win.

    Returns:
        The bytes of the signed file, or ``out`` where it was given. With ``sidecar=True`` the file
        stays as it is: the bytes are those of the sidecar, and beside ``out``, a copy, lies
        ``NAME.c2pa``.

    Raises:
        UserError: The recipe is wrong or does not fit, or files of this type cannot be signed.
        UnreadableError: The file cannot be read.
        CredentialError: It cannot be signed or written; everything is then as it was.

    Example:
        >>> import numpy, provenance
        >>> from provenance.media import encode_png
        >>> image = encode_png(numpy.zeros((8, 8, 3), "uint8"))      # from your generator
        >>> signed = provenance.sign(image, generator="my-server", model="my-model")
        >>> provenance.verify(signed).source_type
        'trainedAlgorithmicMedia'
    """
    from provenance.credentials.session import CredentialSession

    session = CredentialSession(recipe, signer=signer, **words)
    return session.sign(source, out, media_type=media_type)


def verify(
    source: Path | str | bytes,
    *,
    trust: "TrustAnchors | None" = None,
    media_type: str | None = None,
    options: "ReadingOptions | None" = None,
) -> "Credential":
    """Return what is known of a file's credential, on four axes. Opens no network connection.

    The file is read in this process. What is known to crash the library never reaches it, yet a
    server that takes files from strangers reads them best in worker processes, as ``provenance
    verify`` does.

    Args:
        source: The file, or its bytes. Hostile; never written. Whatever it holds, nothing is
            raised.
        trust: Whom to trust, as :func:`provenance.credentials.load_trust_anchors` returns it; this
            machine's development CA and all imported lists when None.
        media_type: MIME type; told from the content when None.
        options: Where to look, and how much to keep.

    Raises:
        UserError: The trust lists of this machine cannot be read, or ``source`` is neither a path
            nor bytes.

    Example:
        >>> import provenance
        >>> provenance.verify(b"no media at all").integrity
        'none'
    """
    from provenance.credentials import load_trust_anchors, read_credential, read_credential_bytes

    file = path_or_bytes(source)
    anchors = load_trust_anchors(None) if trust is None else trust
    more: dict[str, Any] = {} if options is None else {"options": options}
    if isinstance(file, bytes):
        return read_credential_bytes(file, media_type, anchors, **more)
    return read_credential(file, media_type, anchors, **more)


def path_or_bytes(source: object) -> Path | bytes:
    """Return a file as callers give it: a path, as text too, or its bytes, of whatever type.

    Raises:
        UserError: It is something else.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return Path(source)
    kind = type(source).__name__
    raise UserError(
        f"A file is given as a path or as bytes, not as a {kind}. Of an open file, give read()."
    )
