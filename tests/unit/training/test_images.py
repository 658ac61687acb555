"""Images on their way to networks and back."""

import itertools

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import Media, MediaKind, UserError
from provenance.training import (
    check_images,
    fixed_rows,
    hold_out_groups,
    images_to_tensor,
    mirror_and_exchange_channels,
    mirror_half,
    opponent_colours,
    render_in_batches,
    stack_images,
    tensor_to_images,
)


def test_a_stack_is_of_one_square_size():
    assert stack_images(scenes(3), [32, 64]).shape == (3, 32, 32, 3)
    with pytest.raises(UserError, match="at least 2"):
        stack_images(scenes(1), [32])
    with pytest.raises(UserError, match="32 x 32 or 64 x 64"):
        stack_images(scenes(2) + scenes(2, size_px=64), [32, 64])
    with pytest.raises(UserError, match="images only"):
        stack_images([Media(str(i), MediaKind.TEXT, "words", "a") for i in range(3)], [32])


def test_batches_are_checked():
    with pytest.raises(UserError, match="8-bit"):
        check_images(np.zeros((2, 32, 32, 3)), [32])
    with pytest.raises(UserError, match="RGB"):
        check_images(np.zeros((2, 32, 32), np.uint8), [32])


def test_pixels_survive_the_way_to_the_network_and_back():
    pixels = np.arange(256, dtype=np.uint8).repeat(12).reshape(1, 32, 32, 3)
    assert images_to_tensor(pixels).aminmax() == (-1.0, 1.0)
    np.testing.assert_array_equal(tensor_to_images(images_to_tensor(pixels)), pixels)
    assert tensor_to_images(torch.full((1, 3, 2, 2), 1.5)).max() == 255


def test_mirroring_turns_about_half_and_changes_nothing_else():
    images = torch.rand(200, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    pairs = list(zip(mirror_half(images, torch.Generator().manual_seed(0)), images, strict=True))
    mirrored = sum(torch.equal(a, b.flip(2)) for a, b in pairs)
    assert 70 < mirrored < 130
    assert mirrored + sum(torch.equal(a, b) for a, b in pairs) == 200


def test_variations_are_mirrors_and_exchanged_channels_of_the_image_itself():
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    many = image.repeat(300, 1, 1, 1)
    made = mirror_and_exchange_channels(many, torch.Generator().manual_seed(1))
    known = {
        tuple(side[0, list(order)].flatten().tolist())
        for side in (image, image.flip(3))
        for order in itertools.permutations(range(3))
    }
    found = [tuple(one.flatten().tolist()) for one in made]
    assert set(found) == known
    plain = sum(one == tuple(image.flatten().tolist()) for one in found)
    assert plain / 300 == pytest.approx(0.5 * (0.5 + 0.5 / 6), abs=0.08)


def test_opponent_colours_turn_rgb_and_keep_distances():
    turned = opponent_colours(torch.eye(3)[:, :, None, None])[..., 0, 0].T
    torch.testing.assert_close(turned @ turned.T, torch.eye(3))
    grey, red = torch.ones(1, 3, 1, 1), torch.tensor([1.0, 0, -1])[None, :, None, None]
    torch.testing.assert_close(opponent_colours(grey).flatten(), torch.tensor([3**0.5, 0, 0]))
    torch.testing.assert_close(opponent_colours(red).flatten(), torch.tensor([0, 2**0.5, 0]))


def test_whole_groups_are_held_out_and_few_items():
    items = [
        Media(f"{g}/{i}", MediaKind.IMAGE, None, g)
        for g, size in {"a": 40, "b": 30, "c": 25, "d": 6}.items()
        for i in range(size)
    ]
    held = hold_out_groups(items)
    assert {item.group for item, out in zip(items, held, strict=True) if out} == {"d"}
    assert not hold_out_groups(items[:95]).any()  # three groups: none can be spared


def test_groups_of_one_size_are_held_out_without_regard_to_their_names():
    names = [f"{kind}/{i:03}" for kind in ("bird", "cat", "dog", "horse") for i in range(50)]
    items = [Media(name, MediaKind.TEXT, "", name) for name in names]
    held = hold_out_groups(items)
    assert held.sum() == 10
    assert len({name[:3] for name, out in zip(names, held, strict=True) if out}) > 2
    assert (held == hold_out_groups(items)).all()


def test_rendering_always_computes_whole_batches():
    sizes = []

    def make(rows):
        sizes.append(len(rows))
        return (rows / 127.5 - 1)[:, None, None, None].expand(-1, 3, 2, 2)

    made = render_in_batches(5, 3, 2, make)
    assert made.shape == (5, 2, 2, 3)
    assert made[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert sizes == [3, 3]
    assert fixed_rows(3, 5, 3).tolist() == [3, 4, 4]
    assert render_in_batches(0, 3, 2, make).shape == (0, 2, 2, 3)
