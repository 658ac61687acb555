"""Learned features and their file, published networks from files, stacked digits."""

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import ArtefactError, InputSpec, UserError
from provenance.quality import (
    count_modes,
    frechet_distance,
    load_features,
    pretrained_features,
    stack_digits,
    train_features,
)
from provenance_datasets.stacked_digits.source import StackedDigits


@pytest.fixture(scope="module")
def coloured():
    """Pictures of two classes, which differ in their mean colour."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    means = np.where(labels[:, None] == 1, (170, 90, 90), (90, 90, 170))
    pixels = means[:, None, None, :] + rng.normal(0, 30, (200, 16, 16, 3))
    return pixels.clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def learned(coloured):
    return train_features(*coloured, seed=1, max_steps=12)


# --- learned --------------------------------------------------------------------------------------


def test_classes_are_learned_and_the_card_says_how_well(learned):
    assert learned.card["accuracy"] > 0.9
    assert learned.card["labels"] == "given"
    assert (learned.card["images"], learned.card["accuracy_images"]) == (180, 20)
    assert learned.card["steps"] == 12


def test_features_tell_classes_apart(learned, coloured):
    images, labels = coloured
    found = learned(images)
    assert found.shape == (200, 128)
    one, other = found[labels == 0], found[labels == 1]
    assert frechet_distance(one, other) > 5 * frechet_distance(one[::2], one[1::2])


def test_saved_features_are_the_same(learned, coloured, tmp_path):
    learned.save(tmp_path)
    again = load_features(tmp_path)
    np.testing.assert_array_equal(again(coloured[0][:5]), learned(coloured[0][:5]))
    assert again.card == learned.card
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtefactError):
        load_features(tmp_path)


def test_no_labels_means_rotations(coloured):
    top = coloured[0].copy()
    top[:, :8] //= 4  # dark above: it can be told how far an image is turned
    found = train_features(top, None, seed=0, max_steps=25)
    assert found.card["labels"] == "rotations"
    assert found.card["accuracy"] > 0.6  # of four


def test_an_interrupted_training_gives_the_same_weights(coloured, tmp_path):
    class StopError(Exception):
        pass

    whole = train_features(*coloured, seed=2, max_steps=4, workdir=tmp_path / "a")
    workdir = tmp_path / "b"
    from provenance.training import TrainingLoop

    original = TrainingLoop._save

    def save(loop):
        original(loop)
        if loop.step == 2:
            raise StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_save", save)
        patch.setattr(TrainingLoop.__init__, "__kwdefaults__", {
            **TrainingLoop.__init__.__kwdefaults__, "checkpoint_every_s": 0.0,
        })  # fmt: skip
        with pytest.raises(StopError):
            train_features(*coloured, seed=2, max_steps=4, workdir=workdir)
    resumed = train_features(*coloured, seed=2, max_steps=4, workdir=workdir)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name


def test_the_random_state_of_others_is_kept(coloured):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_features(*coloured, seed=0, max_steps=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("count", "labels", "message"),
    [(10, None, "20 square"), (30, np.zeros(30, int), "at least two"), (30, np.arange(9), "each")],
)
def test_what_cannot_be_learned_from_is_said(count, labels, message):
    images = np.stack([item.data for item in scenes(count, 16)])
    with pytest.raises(UserError, match=message):
        train_features(images, labels, seed=0, max_steps=1)


# --- published networks ---------------------------------------------------------------------------


def test_nothing_is_downloaded_and_the_error_says_what_to_fetch(tmp_path):
    with pytest.raises(UserError, match=r"Fetch https://\S+inception\S+\.pth"):
        pretrained_features("inception")
    with pytest.raises(UserError, match="is no file"):
        pretrained_features("dinov2", tmp_path / "absent.pth")
    with pytest.raises(UserError, match="No features are called"):
        pretrained_features("clip")


def test_files_that_hold_other_things_are_refused(tmp_path):
    pytest.importorskip("torch_fidelity")
    wrong = tmp_path / "wrong.pth"
    torch.save({"weight": torch.zeros(2)}, wrong)
    code = tmp_path / "code.pth"
    torch.save({"weight": print}, code)
    text = tmp_path / "text.pth"
    text.write_text("<html>not found</html>")
    listed = tmp_path / "listed.pth"
    torch.save([1, 2], listed)
    numbered = tmp_path / "numbered.pth"
    torch.save({1: torch.zeros(2)}, numbered)
    nested = tmp_path / "nested.pth"
    torch.save({"model": "x"}, nested)
    absent = tmp_path / "absent.pth"
    absent.write_bytes(b"\x80\x02h\x05.")  # a pickle that takes from its memory what is not there
    with pytest.raises(ArtefactError, match="holds more than tensors, and is not opened"):
        pretrained_features("inception", code)
    for path in (wrong, text, listed, numbered, nested, absent):
        with pytest.raises(ArtefactError):
            pretrained_features("inception", path)


def test_dinov2_is_that_of_timm_on_torch_fidelitys_input(tmp_path):
    pytest.importorskip("torch_fidelity")
    import timm

    torch.manual_seed(0)
    vit = timm.create_model("vit_small_patch14_dinov2", pretrained=False, img_size=224)
    torch.save({k: v for k, v in vit.state_dict().items() if "head" not in k}, tmp_path / "w.pth")
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    found = pretrained_features("dinov2", tmp_path / "w.pth")(images)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    plain = torch.from_numpy((images / 255 - mean) / deviation).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        expected = vit.eval().forward_features(plain)[:, 0]
    assert found.shape == (1, 384)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-3)


# --- stacked digits -------------------------------------------------------------------------------


def test_digits_are_read_back_and_all_modes_counted():
    images, which, fold = stack_digits(3000, seed=3)
    from sklearn.datasets import load_digits

    from provenance.quality.modes import read_digits

    truth = load_digits().target[which]
    assert (read_digits(images) == truth).mean() > 0.99
    found = count_modes(images)
    assert found.modes == pytest.approx(found.expected_modes, abs=8)
    assert found.kl == pytest.approx(found.expected_kl, abs=0.05)
    owners = {}
    for digit, owner in zip(which.ravel(), np.repeat(fold, 3), strict=True):
        assert owners.setdefault(digit, owner) == owner  # no digit in two folds


def test_a_collapsed_set_has_few_modes():
    images, _, _ = stack_digits(20)
    found = count_modes(np.repeat(images, 50, axis=0))
    assert found.modes <= 20
    assert found.kl > np.log(1000 / 20) - 0.01


def test_the_source_makes_items_by_fold():
    window = InputSpec(geometry="crop", size_px=32)
    items = StackedDigits().items(window, count=30, seed=0)
    assert len({item.id for item in items}) == 30
    assert {item.group for item in items} == {f"fold{f}" for f in range(10)}
    assert {item.category for item in items} == {None}
    again = StackedDigits().items(window, count=30, seed=0)
    assert all((a.data == b.data).all() for a, b in zip(items, again, strict=True))
    with pytest.raises(UserError, match="multiple of 8"):
        StackedDigits().items(InputSpec(geometry="crop", size_px=20), count=3, seed=0)
    with pytest.raises(UserError, match="no argument"):
        StackedDigits("mnist")
