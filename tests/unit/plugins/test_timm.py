"""``timm``: batches of pairs, augmentation that keeps traces, resumption, any backbone by name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from provenance import FitContext, InputSpec, UserError
from provenance.testing.corpus import tiny_items
from provenance.types import Split
from provenance_plugins.timm import SPEC, build
from provenance_plugins.timm import train as module
from provenance_plugins.timm.data import Pairs, augment
from provenance_plugins.timm.network import new_network


class StoppedError(Exception):
    """What interrupts a run in a test."""


TINY = {"backbone": "test_efficientnet", "batch_size": 8}


def parts():
    items = tiny_items(40)
    return [[i for i in items if i.split is split] for split in (Split.TRAIN, Split.VALIDATION)]


def context(folder, **values):
    values = {"max_steps": 4, "options": {**SPEC.options, **TINY}} | values
    return FitContext(folder, seed=3, input=InputSpec("tiles", 32), **values)


def test_a_reconstruction_is_drawn_beside_its_photograph():
    train, _ = parts()
    pairs = Pairs([item for item in train if item.generator in (None, "smoothed")])
    twins = {item.media.data.tobytes(): item.parent for item in train}
    for real, fake in pairs.draw(16).permute(0, 1, 3, 4, 2).numpy():
        assert twins[real.tobytes()] == twins[fake.tobytes()]


def test_generators_are_drawn_alike_and_real_comes_first():
    train, _ = parts()
    few = [i for i in train if i.generator != "chequered"] + [
        i for i in train if i.generator == "chequered"
    ][:1]
    made_by = {item.media.data.tobytes(): item.generator for item in few}
    torch.manual_seed(0)
    drawn = Pairs(few).draw(200).permute(0, 1, 3, 4, 2).numpy()
    assert {made_by[real.tobytes()] for real, _ in drawn} == {None}
    share = np.mean([made_by[fake.tobytes()] == "chequered" for _, fake in drawn])
    assert 0.4 < share < 0.6


def test_a_class_alone_teaches_nothing():
    train, _ = parts()
    with pytest.raises(UserError, match="real and synthetic"):
        Pairs([item for item in train if item.generator is None])


def test_a_pair_is_varied_alike_and_never_interpolated():
    one = torch.randint(0, 256, (6, 1, 3, 8, 8)).float()
    varied = augment(one.repeat(1, 2, 1, 1, 1))
    assert torch.equal(varied[:, 0], varied[:, 1])
    for before, after in zip(one[:, 0], varied[:, 0], strict=True):
        # a change of contrast and brightness is a straight line in each colour
        for x, y in zip(before.flatten(1), after.flatten(1), strict=True):
            a, b = x.sort().values, y.sort().values
            slope, offset = np.polyfit(a, b, 1)
            assert np.allclose(slope * a + offset, b, atol=1e-2)
            assert 0.44 <= slope <= 2.24


@pytest.mark.parametrize(
    "backbone", ["test_resnet", "test_convnext", "test_vit", "mobilenetv4_conv_small_035"]
)
@pytest.mark.parametrize("residual", [True, False])
def test_any_backbone_takes_small_windows(backbone, residual):
    options = {**SPEC.options, "backbone": backbone, "residual": residual}
    network = new_network(options, 32).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2,)
    assert len(network.config.mean) == 3


def test_the_first_convolution_keeps_the_resolution_of_small_windows():
    options = {**SPEC.options, "backbone": "test_resnet"}
    strides = [new_network(options, size).backbone.conv1[0].stride for size in (32, 224)]
    assert strides == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet81"}, r"no backbone 'resnet81'. Did you mean"),
        ({"weights": "/nowhere/weights.safetensors"}, "No weights for test_efficientnet"),
    ],
)
def test_what_cannot_be_had_is_named(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        build().fit(*parts(), context(tmp_path, options={**SPEC.options, **TINY, **options}))


def test_weights_of_a_local_file_are_used(tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(1)
    donor = timm.create_model("test_efficientnet")
    save_file(donor.state_dict(), tmp_path / "donor.safetensors")
    options = {**SPEC.options, **TINY, "weights": str(tmp_path / "donor.safetensors")}
    network = new_network(options, 32)
    name = "blocks.0.0.conv.weight"
    assert torch.equal(network.backbone.state_dict()[name], donor.state_dict()[name])


def scores(detector):
    return detector.score([item.media.data for item in tiny_items(20)]).logit


def test_equal_seeds_and_steps_give_equal_scores(tmp_path):
    found = []
    for name in "ab":
        detector = build()
        detector.fit(*parts(), context(tmp_path / name))
        found.append(scores(detector))
    assert np.array_equal(*found)


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path):
    """Stopped after 3 of 6 steps. The schedule depends on the length, so it is held constant."""
    whole, halves = build(), build()
    whole.fit(*parts(), context(tmp_path / "whole", max_steps=6))
    original = module._loss
    calls = []

    def counted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise StoppedError
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provenance.training.loop.TrainingLoop.__init__", _save_always(patch))
        patch.setattr(module, "_loss", counted)
        with pytest.raises(StoppedError):
            halves.fit(*parts(), context(tmp_path / "halves", max_steps=6))
    halves.fit(*parts(), context(tmp_path / "halves", max_steps=6, resume=True))
    assert np.allclose(scores(whole), scores(halves), atol=1e-5)


def _save_always(patch):
    from provenance.training import TrainingLoop

    original = TrainingLoop.__init__

    def init(self, *arguments, **options):
        original(self, *arguments, **{**options, "checkpoint_every_s": 0.0})

    return init


def test_torchrun_trains_one_network_in_two_processes(tmp_path):
    """Two processes on gloo: gradients are averaged, the first one saves."""
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, pathlib, os\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import test_timm as t\n"
        "detector = t.build()\n"
        "detector.fit(*t.parts(), t.context(pathlib.Path(sys.argv[1]), max_steps=3))\n"
        "detector.save(pathlib.Path(sys.argv[1]) / os.environ['RANK'])\n"
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(script), str(tmp_path / "out"), str(Path(__file__).parent),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    first = build()
    first.load(tmp_path / "out" / "0", "cpu")
    assert np.isfinite(scores(first)).all()
    assert (tmp_path / "out" / "train" / "log.jsonl").is_file()


@pytest.mark.gpu
def test_cpu_and_gpu_agree(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    detector = build()
    values = context(tmp_path, max_steps=20)
    detector.fit(*parts(), FitContext(**{**_fields(values), "device": "cuda"}))
    detector.save(tmp_path / "model")
    other = build()
    other.load(tmp_path / "model", "cpu")
    assert np.allclose(scores(detector), scores(other), atol=1e-2)


def _fields(values):
    return {name: getattr(values, name) for name in values.__slots__}
