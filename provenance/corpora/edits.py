"""Edits a real photograph of any size with a generator of small images; the manifest says so.

The photograph is cut into tiles of the generator's side. With a mask only the tiles that it touches
are drawn, what lies outside stays bit for bit, and seams are blended inside the mask only.
Notation: H, W the photograph's size in pixels, S the side of a tile.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.corpora.drawing import NAMESPACE, Drawing, Studio
from provenance.corpora.outcome import plugin_at_work
from provenance.corpora.tiling import Painter, redraw_masked, redraw_whole
from provenance.errors import PluginError, UnreadableError, UserError
from provenance.files import sha256_bytes, sha256_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EDITED_FILE = "edited.png"
_COMPRESSION = 6  # a photograph, not a corpus: nobody tells classes apart by its size
_ALL_OF_IT = (
    "The mask has no black pixel, so all of the photograph was drawn anew. What it hides by "
    "transparency does not count."
)
_SHEET_PX = 384  # longer side of each picture on the sheet, at most


def edit_photograph(
    studio: Studio,
    photo: Path,
    *,
    mask: Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
) -> Drawing:
    """Draw part of a photograph anew, or pass all of it through the generator.

    A credential that the photograph carries is kept: the photograph is the parent of the result.
    Pixels lie as they are stored: an orientation noted in EXIF is not applied.

    Args:
        studio: Generator, folder, signer.
        photo: An image file. Hostile.
        mask: An image file of the same size; what is not black is drawn anew. Hostile.
        fraction: 0..1, how much of the content is drawn; 1 with a mask and 0 without one, where
            None: the photograph is then only passed through, which leaves the generator's traces.
        seed: Of what is drawn.

    Raises:
        UserError: The generator cannot do this, the mask does not fit or is empty, or the
            photograph changes meanwhile.
        UnreadableError: A file cannot be read or decoded.
        PluginError: The generator failed.
        CredentialError: The result cannot be signed.
    """
    share = fraction if fraction is not None else (0.0 if mask is None else 1.0)
    studio.needs(_needed(mask, share), "--edit")
    original, photo_sha256 = _decoded(photo)
    region, mask_sha256 = (None, None) if mask is None else _mask(mask, original.shape)
    painter = Painter(studio.side_px, seed, _painting(studio, share), studio.progress)
    if region is None:
        edited = redraw_whole(painter, original)
    else:
        edited = redraw_masked(painter, original, region)
    facts = {
        "seed": seed if share else None,
        "fraction": share,
        "photo_sha256": photo_sha256,
        "mask_sha256": mask_sha256,
        "pixels_changed": int((edited != original).any(axis=2).sum()),
    }
    return _kept(studio, photo, original, region, edited, facts)


def _needed(mask: Path | None, fraction: float) -> str:
    if mask is not None:
        return "inpaint"
    return "resample" if fraction else "reconstruct"


def _painting(studio: Studio, fraction: float) -> Any:
    """Return the call by which tiles are painted; masks are bool (N, S, S) or None."""
    model: Any = studio.trained.model

    def paint(tiles: Any, masks: Any, seed: int) -> Any:
        with plugin_at_work(studio.name, "edit"):
            if masks is not None:
                made = model.resample(tiles, fraction, seed=seed, mask=masks)
            elif fraction:
                made = model.resample(tiles, fraction, seed=seed)
            else:
                made = model.reconstruct(tiles)
        if getattr(made, "shape", None) != tiles.shape or made.dtype != tiles.dtype:
            raise PluginError(f"{studio.name}: edit gave something other than the tiles' like")
        return made

    return paint


def _decoded(path: Path) -> "tuple[NDArray[np.uint8], str]":
    """Return pixels (H, W, 3) and the file's SHA-256."""
    from provenance.media import ImageLimits, decode_image

    limits = ImageLimits()
    try:
        with path.open("rb") as stream:
            data = stream.read(limits.max_bytes + 1)  # one more, so that the decoder refuses it
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        return decode_image(data, limits), sha256_bytes(data)
    except UnreadableError as error:
        raise UnreadableError(f"{path} {error}") from error


def _mask(path: Path, shape: tuple[int, ...]) -> "tuple[NDArray[np.bool_], str]":
    """Return where to edit, bool (H, W), and the file's SHA-256."""
    import numpy as np

    pixels, sha256 = _decoded(path)
    if pixels.shape != shape:
        height, width = pixels.shape[:2]
        raise UserError(
            f"The mask {path} has {width} x {height} pixels, the photograph {shape[1]} x "
            f"{shape[0]}. Make them equal; an orientation noted in EXIF does not count."
        )
    region = pixels.any(axis=2)
    if not region.any():
        raise UserError(f"The mask {path} is all black, so there is nothing to edit.")
    return np.asarray(region, np.bool_), sha256


# --- what is kept ---------------------------------------------------------------------------------


def _kept(
    studio: Studio,
    photo: Path,
    original: "NDArray[np.uint8]",
    region: "NDArray[np.bool_] | None",
    edited: "NDArray[np.uint8]",
    facts: Mapping[str, Any],
) -> Drawing:
    from provenance.media import encode_png

    step = "reconstruction" if not facts["fraction"] else "resample"
    data = encode_png(edited, compression=_COMPRESSION)
    notes: tuple[str, ...] = ()
    if studio.signer is not None:
        data, notes = _signed(studio, photo, data, step, facts, is_whole=region is None)
    if region is not None and region.all():  # as of a mask that marks by transparency
        notes = (*notes, _ALL_OF_IT)
    row = studio.write(_EDITED_FILE, data, step, {"photo": photo.name, **facts})
    return studio.finish([row], [_pictures(original, region, edited)], notes=notes)


def _signed(
    studio: Studio,
    photo: Path,
    data: bytes,
    step: str,
    facts: Mapping[str, Any],
    *,
    is_whole: bool,
) -> tuple[bytes, tuple[str, ...]]:
    """Sign the result: an edit of the photograph, which becomes its parent."""
    from provenance.credentials import CredentialSession, Recipe

    how = "compositeWithTrainedAlgorithmicMedia"
    edited = {
        "name": "c2pa.edited",
        # every pixel of a whole pass is the model's, though the parent says what it shows
        "source_type": "trainedAlgorithmicMedia" if is_whole else how,
        "parameters": studio.parameters(step, facts),
    }
    recipe = Recipe.of(
        title=_EDITED_FILE,
        generator={"name": studio.name, "version": studio.trained.spec.version},
        model=str(studio.trained.card["name"]),
        actions=[edited],
        ingredients=[{"path": str(photo), "relationship": "parent"}],
        assertions=[
            {
                "label": f"{NAMESPACE}.generator",
                "data": {**studio.facts(), "step": step, **_said(facts)},
            }
        ],
    )
    signed = CredentialSession(recipe, signer=studio.signer).sign_bytes(data, name=_EDITED_FILE)
    _check_unchanged(photo, facts["photo_sha256"])
    return signed.data, signed.notes


def _check_unchanged(photo: Path, sha256: str) -> None:
    """Refuse a photograph that was exchanged while it was edited: another one became the parent.

    Raises:
        UserError: It is another one now, or gone.
    """
    try:
        is_same = sha256_file(photo) == sha256
    except OSError:
        is_same = False
    if not is_same:
        raise UserError(f"{photo} has changed while it was edited. Run the command again.")


def _said(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value is not None}


def _pictures(
    original: "NDArray[np.uint8]",
    region: "NDArray[np.bool_] | None",
    edited: "NDArray[np.uint8]",
) -> "NDArray[np.uint8]":
    """Return original, mask and result side by side, small: uint8 (2 or 3, h, w, 3)."""
    import numpy as np

    pictures = [original, edited]
    if region is not None:
        white = np.uint8(255) * region.astype(np.uint8)
        pictures.insert(1, np.repeat(white[..., None], 3, axis=2))  # (H, W, 3)
    return np.stack([_small(picture) for picture in pictures])


def _small(picture: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    factor = min(1.0, _SHEET_PX / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
