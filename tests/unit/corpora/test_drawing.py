"""Drawings without a corpus: interpolations, traversals, edits; what is signed of them."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PILImage

from provenance import UnreadableError, UserError, sign, verify
from provenance.corpora.artefacts import TrainedGenerator
from provenance.corpora.drawing import Studio
from provenance.corpora.edits import edit_photograph
from provenance.credentials import ReadingOptions, development_signer
from provenance.errors import PluginError
from provenance.files import sha256_file
from provenance.media import decode, decode_image, encode_jpeg, encode_png
from provenance.plugins import registry

SIDE = 16
CARD = {"name": "toy-16", "size_px": SIDE, "weights_sha256": "ab" * 32}


class Toy:
    """Paints black where it may, else reconstructs in steps of 8 levels."""

    def interpolate(self, seed_a, seed_b, steps):
        levels = np.linspace(seed_a, seed_b, steps).astype(np.uint8)
        return np.broadcast_to(levels[:, None, None, None], (steps, SIDE, SIDE, 3))

    def move(self, seed, direction, amounts):
        if direction != "lighter":
            raise UserError("toy knows no direction of that name.")
        return np.stack([np.full((SIDE, SIDE, 3), 128 + int(10 * a), np.uint8) for a in amounts])

    def reconstruct(self, batch):
        return batch // 8 * 8

    def resample(self, batch, fraction, *, seed, mask=None):
        if fraction == 0.25:
            return batch[:, :8]  # a fault
        return np.where(mask[..., None], 0, self.reconstruct(batch)).astype(np.uint8)


@pytest.fixture
def studio(tmp_path):
    spec = replace(
        registry().generator("vae").spec,
        name="toy",
        capabilities=frozenset({"interpolate", "directions", "reconstruct", "resample", "inpaint"}),
    )
    trained = TrainedGenerator(Toy(), spec, CARD, tmp_path)
    out = tmp_path / "out"
    return Studio(trained, out, development_signer(), lambda fraction, message: None)


def rows_of(folder):
    return [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]


# --- samples --------------------------------------------------------------------------------------


def test_an_interpolation_is_signed_files_rows_and_a_sheet(studio):
    drawing = studio.interpolate(10, 90, steps=5)
    assert [row["about"]["place"] for row in drawing.rows] == [0, 0.25, 0.5, 0.75, 1]
    assert rows_of(studio.out) == [dict(row) for row in drawing.rows]
    for row, level in zip(drawing.rows, (10, 30, 50, 70, 90), strict=True):
        path = studio.out / row["file_name"]
        assert (decode(path)[1] == level).all()
        assert sha256_file(path) == row["sha256"]
        credential = verify(path)
        assert (credential.integrity, credential.signer) == ("ok", "trusted")
        assert credential.source_type == "trainedAlgorithmicMedia"
        for word in (b"com.provenance.place", CARD["weights_sha256"].encode(), b"toy-16"):
            assert word in path.read_bytes()
    assert decode(drawing.sheet)[1].shape[1] > 5 * SIDE


def test_a_traversal_moves_one_sample(studio):
    drawing = studio.traverse("lighter", (-3, 0, 1.5), seed=4)
    assert [row["about"]["amount"] for row in drawing.rows] == [-3, 0, 1.5]
    assert int(decode(studio.out / "00001.png")[1].mean()) == 128
    with pytest.raises(UserError, match="no direction of that name"):
        studio.traverse("darker", (1,), seed=4)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_have_a_range(seed, studio):
    with pytest.raises(UserError, match="A seed lies within"):
        studio.interpolate(0, seed, steps=3)


def test_what_a_generator_cannot_do_is_refused_with_who_can(studio):
    bare = replace(studio.trained, spec=replace(studio.trained.spec, capabilities=frozenset()))
    poor = replace(studio, trained=bare)
    with pytest.raises(UserError, match=r"--interpolate: toy cannot do that.*vae"):
        poor.interpolate(0, 1, steps=3)
    with pytest.raises(UserError, match=r"--direction: toy cannot"):
        poor.traverse("lighter", (1,), seed=0)
    with pytest.raises(UserError, match=r"--edit: toy cannot"):
        edit_photograph(poor, studio.out)


# --- edits ----------------------------------------------------------------------------------------


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(8, 255, (45, 61, 3), np.uint8)
    path = tmp_path / "photo.png"
    path.write_bytes(encode_png(pixels))
    return path


@pytest.fixture
def mask(tmp_path):
    region = np.zeros((45, 61, 3), np.uint8)
    region[10:30, 20:50, 1] = 1  # anything but black
    path = tmp_path / "mask.png"
    path.write_bytes(encode_png(region))
    return path


def test_an_inpainted_photograph_is_a_composite_of_its_parent(studio, photo, mask):
    drawing = edit_photograph(studio, photo, mask=mask, seed=3)
    original, edited = decode(photo)[1], decode(studio.out / "edited.png")[1]
    region = decode(mask)[1].any(2)
    np.testing.assert_array_equal(edited[~region], original[~region])
    assert not edited[14:26, 24:46].any()
    about = drawing.rows[0]["about"]
    assert about["photo_sha256"] == sha256_file(photo)
    assert about["mask_sha256"] == sha256_file(mask)
    assert (about["seed"], about["fraction"]) == (3, 1.0)
    assert about["pixels_changed"] == (edited != original).any(2).sum() > 0.9 * region.sum()
    credential = verify(studio.out / "edited.png", options=ReadingOptions(detailed=True))
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert credential.source_type == "compositeWithTrainedAlgorithmicMedia"
    data = (studio.out / "edited.png").read_bytes()
    for word in (b"c2pa.opened", b"c2pa.edited", b"parentOf", b"photo.png", b"com.provenance.seed"):
        assert word in data


@pytest.mark.parametrize("encode", [encode_png, encode_jpeg])
def test_a_credential_of_the_photograph_is_kept(studio, photo, mask, encode):
    bare = encode(decode(photo)[1])
    photo.write_bytes(sign(bare, source_type="digitalCapture", generator="camera"))
    edit_photograph(studio, photo, mask=mask)
    credential = verify(studio.out / "edited.png")
    assert (credential.integrity, credential.ancestors) == ("ok", "ok")
    assert credential.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert credential.origin == "digitalCapture"


def test_a_whole_pass_leaves_the_generators_traces_everywhere(studio, photo):
    drawing = edit_photograph(studio, photo)
    original, edited = (decode(p)[1].astype(int) for p in (photo, studio.out / "edited.png"))
    np.testing.assert_array_equal(edited, original // 8 * 8)
    assert drawing.rows[0]["step"] == "reconstruction"
    assert drawing.rows[0]["about"]["seed"] is None
    credential = verify(studio.out / "edited.png")
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert credential.source_type == "trainedAlgorithmicMedia"


def test_equal_seeds_give_equal_pixels(studio, photo, mask, tmp_path):
    made = []
    for name in ("a", "b"):
        one = replace(studio, out=tmp_path / name, signer=None)
        edit_photograph(one, photo, mask=mask, seed=5)
        made.append((one.out / "edited.png").read_bytes())
    assert made[0] == made[1]
    assert b"c2pa" not in made[0]


def test_a_generator_that_gives_something_else_is_at_fault(studio, photo, mask):
    with pytest.raises(PluginError, match="toy: edit gave something other"):
        edit_photograph(studio, photo, mask=mask, fraction=0.25)
    assert not studio.out.exists()


def test_a_mask_without_black_is_told_of(studio, photo, mask):
    """As one that marks by transparency: it would surprise that all of the photograph changes."""
    pixels = decode_image(mask.read_bytes())
    marked = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    marked[..., 3] = pixels[..., 0]
    PILImage.fromarray(marked).save(mask)
    drawing = edit_photograph(studio, photo, mask=mask)
    assert "no black pixel" in drawing.notes[-1]
    assert drawing.rows[0]["about"]["mask_sha256"] == sha256_file(mask)


def test_a_photograph_that_is_exchanged_meanwhile_is_no_parent(studio, photo, monkeypatch):
    def exchange(self, batch):
        photo.write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
        return batch // 8 * 8

    monkeypatch.setattr(Toy, "reconstruct", exchange)
    with pytest.raises(UserError, match="has changed while it was edited"):
        edit_photograph(studio, photo)
    assert not studio.out.exists()


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
def test_amounts_are_finite(amount, studio):
    with pytest.raises(UserError, match="finite"):
        studio.traverse("lighter", [0.0, amount], seed=1)
    assert not studio.out.exists()


def test_a_folder_that_cannot_be_written_is_named(studio, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    blocked = replace(studio, out=tmp_path / "file" / "out", signer=None)
    with pytest.raises(UserError, match=r"file/out/.* cannot be written: .* Use another --out"):
        blocked.interpolate(0, 1, steps=2)


# --- hostile files --------------------------------------------------------------------------------


def test_masks_that_do_not_fit_are_refused(studio, photo, mask):
    pixels = decode_image(mask.read_bytes())
    for wrong, message in ((pixels[:20], "61 x 20 pixels"), (pixels * 0, "all black")):
        mask.write_bytes(encode_png(wrong))
        with pytest.raises(UserError, match=message):
            edit_photograph(studio, photo, mask=mask)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a\xff"])
@pytest.mark.parametrize("which", ["photo", "mask"])
def test_damaged_files_are_refused(data, which, studio, photo, mask):
    damaged = photo if which == "photo" else mask
    damaged.write_bytes(data)
    with pytest.raises(UnreadableError, match=str(damaged)):
        edit_photograph(studio, photo, mask=mask)


def test_a_picture_that_declares_too_much_is_refused(studio, photo):
    data = bytearray(photo.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    photo.write_bytes(data)
    with pytest.raises(UnreadableError, match=r"over the limit|damaged"):
        edit_photograph(studio, photo)


def test_a_name_that_is_not_utf_8_is_no_trouble(studio, photo, mask):
    strange = photo.with_name(os.fsdecode(b"caf\xe9.png"))
    photo.rename(strange)
    edit_photograph(studio, strange, mask=mask)
    assert verify(studio.out / "edited.png").integrity == "ok"
    assert len(rows_of(studio.out)) == 1
