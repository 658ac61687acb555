"""A session: signer, trust and recipe, given once and used for many files, in any process."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.credentials.api import path_or_bytes, verify
from provenance.credentials.signing.ingredients import Ingredient, load_ingredients
from provenance.credentials.signing.outputs import (
    Pending,
    mode_of,
    settle,
    sign_apart,
    write_signed,
)
from provenance.credentials.signing.planning import Plan, plan
from provenance.credentials.signing.recipe import Recipe
from provenance.credentials.signing.sources import Source, source_of_bytes, source_of_path
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UserError
from provenance.files import is_same_file

if TYPE_CHECKING:
    from provenance.credentials import Signer
    from provenance.credentials.reading.credential import Credential, ReadingOptions


@dataclass(frozen=True, slots=True)
class Signed:
    """What became of one file in memory.

    Attributes:
        data: The signed file or, with a recipe for sidecars, the manifest store that belongs
            beside it.
        kept: The credential that the file carried before, now its parent's.
        notes: What the user should hear.
    """

    data: bytes
    kept: "Credential | None"
    notes: tuple[str, ...]


class CredentialSession:
    """Signs and verifies many files with one signer, one trust and one recipe.

    Native objects are built once in each process, so a session can be pickled, and used after a
    fork; threads may share it.

    Args:
        recipe: What is said of each file; a :class:`Recipe`, or its fields.
        signer: Whose key; the recipe's choice or, without one, this machine's development CA.
        trust: Whom :meth:`verify` trusts; as :func:`load_trust_anchors` with None where None.
        words: Fields of the recipe; they win.

    Raises:
        UserError: The recipe is wrong, or there is no such signer.
        CredentialError: The key cannot be used.

    Example:
        >>> from provenance.media import encode_png
        >>> import numpy
        >>> png = encode_png(numpy.zeros((8, 8, 3), "uint8"))
        >>> session = CredentialSession(generator="my-server", model="my-model")
        >>> credential = session.verify(session.sign(png))
        >>> credential.integrity, credential.signer, credential.source_type
        ('ok', 'trusted', 'trainedAlgorithmicMedia')
    """

    def __init__(
        self,
        recipe: Recipe | Mapping[str, Any] | None = None,
        *,
        signer: "Signer | None" = None,
        trust: TrustAnchors | None = None,
        **words: Any,
    ) -> None:
        self.recipe = Recipe.of(recipe, **words)
        if isinstance(signer, str | Mapping):
            raise UserError(
                "A signer is what load_signer(NAME, SETTINGS) returns. A name and settings stand in"
                ' the recipe: recipe={"signer": {"name": NAME, "settings": {...}}}.'
            )
        self.signer = _chosen_signer(self.recipe) if signer is None else signer
        self._given = trust
        self._own: tuple[object, TrustAnchors] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what each process loads for itself: ingredients may be large."""
        return {name: value for name, value in vars(self).items() if name != "ingredients"}

    @property
    def trust(self) -> TrustAnchors:
        """Whom :meth:`verify` trusts; loaded at first need, and when this machine's lists change.

        A server runs on while somebody replaces the keys that it signs with.
        """
        from provenance.credentials.trust import anchors

        if self._given is not None:
            return self._given
        state = anchors.state_of_own()
        if self._own is None or self._own[0] != state:
            self._own = (state, anchors.load_trust_anchors(None))
        return self._own[1]

    @cached_property
    def ingredients(self) -> tuple[Ingredient, ...]:
        """The recipe's ingredients; opened and examined once in each process."""
        return load_ingredients(self.recipe)

    def sign(
        self,
        source: Path | str | bytes,
        out: Path | str | None = None,
        *,
        media_type: str | None = None,
        title: str | None = None,
        in_place: bool = False,
    ) -> bytes | Path:
        """Sign a file.

        Args:
            source: The file, or its bytes. A credential that it carries is kept as the parent.
            out: Where the signed file goes; replaced when it exists. Needed for a file on disk.
            media_type: MIME type; told from the content when None.
            title: Of this file, where the recipe has none; the name of ``out`` when None.
            in_place: Replace ``source`` itself, atomically; instead of ``out``.

        Returns:
            The bytes of the signed file; ``out`` where it was given or the file was replaced. With
            a recipe for sidecars and no ``out``: the bytes of the sidecar.

        Raises:
            UserError: The recipe does not fit the file, or ``out`` is ``source``.
            UnreadableError: The file cannot be read.
            CredentialError: It cannot be signed or written; everything is then as it was.
        """
        file = path_or_bytes(source)
        if isinstance(file, bytes) and out is None:
            return self.sign_bytes(file, media_type=media_type, title=title).data
        if isinstance(file, bytes):
            target = Path(out or "")
        else:
            target = _target(file, out, in_place=in_place)
        self.write(file, target, media_type=media_type, title=title)
        return file if in_place and isinstance(file, Path) else target

    def sign_bytes(
        self,
        data: bytes,
        *,
        media_type: str | None = None,
        name: str | None = None,
        title: str | None = None,
    ) -> Signed:
        """Sign a file in memory; as :meth:`sign`, and with what the user should hear.

        Args:
            data: The whole file.
            media_type: MIME type; told from the content when None.
            name: Stands in messages.
            title: Of this file, where the recipe has none.
        """
        source = source_of_bytes(data, media_type, name)
        made = self._plan(source, title)
        if not made.job.embeds:
            return Signed(sign_apart(source, made, self.signer), made.kept, made.notes)
        destination = io.BytesIO()
        made.job.run(io.BytesIO(data), destination, self.signer)
        return Signed(destination.getvalue(), made.kept, made.notes)

    def write(
        self,
        source: Path | bytes,
        out: Path,
        *,
        media_type: str | None = None,
        name: str | None = None,
        title: str | None = None,
    ) -> Plan:
        """Sign a file on disk or in memory into a file.

        Args:
            source: The file, or its bytes.
            out: Its signed copy; may be ``source``, which then keeps its permissions.
            media_type: MIME type; told from the content when None.
            name: Of a file in memory, for messages; the name of ``out`` when None.
            title: Of this file, where the recipe has none; the name of ``out`` when None.

        Returns:
            What was signed, with what the user should hear.
        """
        if isinstance(source, bytes):
            made = source_of_bytes(source, media_type, name or out.name)
        else:
            made = source_of_path(source, media_type)
        signed, pending = self._written(made, out, title or out.name)
        settle(pending)
        return signed

    def write_aside(
        self, path: Path, out: Path, *, media_type: str | None = None, title: str | None = None
    ) -> tuple[Plan, tuple[Pending, ...]]:
        """Sign a file on disk under a temporary name beside ``out``; ``settle`` is to follow."""
        source = source_of_path(path, media_type)
        return self._written(source, out, title or out.name)

    def verify(
        self,
        source: Path | str | bytes,
        *,
        media_type: str | None = None,
        options: "ReadingOptions | None" = None,
    ) -> "Credential":
        """Return what is known of a file's credential. Never raises for what a file holds.

        Args:
            source: The file, or its bytes. Hostile.
            media_type: MIME type; told from the content when None.
            options: Where to look, and how much to keep.
        """
        return verify(source, trust=self.trust, media_type=media_type, options=options)

    def _plan(self, source: Source, title: str | None) -> Plan:
        return plan(source, self.recipe, title=title, ingredients=self.ingredients)

    def _written(self, source: Source, out: Path, title: str) -> tuple[Plan, tuple[Pending, ...]]:
        made = self._plan(source, title)
        is_same = source.lies_at(out)
        mode = mode_of(out) if is_same else None
        return made, write_signed(source, made, self.signer, out, mode=mode)


def _chosen_signer(recipe: Recipe) -> "Signer":
    """Return the signer that a recipe names; this machine's development CA where it names none.

    Raises:
        UserError: No plugin offers such a signer, or its settings are wrong.
        CredentialError: The key cannot be used.
    """
    from provenance import credentials

    timestamp = None
    if recipe.timestamp is not None:
        is_required = recipe.timestamp.policy == "require"
        timestamp = credentials.TimestampPolicy(recipe.timestamp.url, required=is_required)
    if recipe.signer is not None:
        settings = recipe.signer.settings
        return credentials.load_signer(recipe.signer.name, settings, timestamp=timestamp)
    return credentials.development_signer(timestamp=timestamp)


def _target(source: Path, out: Path | str | None, *, in_place: bool) -> Path:
    """Return where the signed file goes.

    Raises:
        UserError: Nowhere, or onto the source without ``in_place``.
    """
    if in_place:
        if out is not None:
            raise UserError("A file is signed in place or to another name. Leave one of them out.")
        return Path(os.path.realpath(source))  # a link stays one
    if out is None:
        raise UserError("Say where the signed file goes (out), or sign it in place.")
    target = Path(out)
    if is_same_file(source, target):
        raise UserError(
            f"{target} is the source itself. Choose another name for the signed file, or sign it in"
            f" place."
        )
    return target
