"""Precision, optimisers and compiled networks: on a CPU nothing changes, on CUDA it is faster."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from provenance.training import (
    Precision,
    ResidentImages,
    images_to_tensor,
    mirror_and_exchange_channels,
    mirror_half,
)
from provenance.training.compiling import Compiled

gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
ON_BOTH = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)


def test_on_a_cpu_an_optimizer_is_the_plain_one():
    network = nn.Linear(2, 1)
    made = Precision("cpu").optimizer(torch.optim.Adam, network.parameters(), lr=0.5)
    plain = torch.optim.Adam(network.parameters(), lr=0.5)
    assert type(made) is torch.optim.Adam
    assert made.state_dict() == plain.state_dict()


@pytest.mark.parametrize("mark", [pytest.param(None, marks=gpu)])
def test_on_cuda_optimizers_are_fused_where_they_can_be(mark):
    precision = Precision("cuda")
    network = precision.place(nn.Conv2d(3, 4, 3))
    adam = precision.optimizer(torch.optim.AdamW, network.parameters(), lr=0.1)
    assert adam.param_groups[0]["fused"]
    precision.optimizer(torch.optim.Rprop, network.parameters())
    before = network.weight.detach().clone()
    images = precision.images(torch.randn(2, 3, 8, 8))
    with precision.autocast():
        loss = network(images).float().square().mean()
    precision.step(loss, adam, clip_norm=1.0)
    assert not torch.equal(before, network.weight)


@pytest.mark.parametrize("mark", [pytest.param(None, marks=gpu)])
def test_tf32_is_a_choice(mark):
    Precision("cuda", tf32=False)
    assert torch.get_float32_matmul_precision() == "highest"
    Precision("cuda")
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32


def test_a_cpu_keeps_its_precision():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    Precision("cpu", tf32=False)
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


# --- compiled networks ----------------------------------------------------------------------------


def test_what_is_compiled_by_default():
    network = nn.Linear(2, 1)
    assert Precision("cpu").compile(network) is network
    assert isinstance(Precision("cpu").compile(network, enabled=True), Compiled)
    far = Precision("cpu")
    far.device = torch.device("cuda")
    assert isinstance(far.compile(network), Compiled)
    assert far.compile(network, budget_s=30) is network
    assert isinstance(far.compile(network, budget_s=600), Compiled)
    assert far.compile(network, enabled=False) is network


@pytest.fixture
def backend(monkeypatch):
    """Lets a test say what compiles; the real one needs a C++ compiler and half a minute."""
    real = torch.compile

    def use(function):
        monkeypatch.setattr(
            "provenance.training.compiling.torch.compile",
            lambda network, mode: real(network, backend=function),
        )

    yield use
    torch.compiler.reset()


def ours(caplog):
    """The compiler logs much at debug level."""
    return [record for record in caplog.records if record.name.startswith("provenance")]


def test_a_compiled_network_has_the_same_weights_under_the_same_names(backend, caplog):
    graphs = []
    backend(lambda graph, inputs: graphs.append(graph) or graph.forward)
    network = nn.Linear(2, 1)
    compiled = Compiled(network)
    x = torch.ones(3, 2)
    compiled(x).sum().backward()
    assert len(graphs) == 1  # it went through the compiler
    assert torch.equal(network.weight.grad, torch.full((1, 2), 3.0))
    network.weight.data.zero_()
    assert torch.equal(compiled(x), network(x))
    assert len(list(compiled.parameters())) == 2
    assert not ours(caplog)


def test_a_compiler_that_fails_costs_a_warning_and_nothing_else(backend, caplog):
    def fail(graph, inputs):
        raise RuntimeError("no compiler here")

    backend(fail)
    network = nn.Linear(2, 1)
    compiled = Compiled(network)
    for _ in range(2):
        assert torch.equal(compiled(torch.ones(3, 2)), network(torch.ones(3, 2)))
    (record,) = ours(caplog)
    assert record.levelno == logging.WARNING
    assert "Linear is not compiled" in record.getMessage()
    assert "no compiler here" in record.getMessage()


def test_errors_of_the_network_are_the_callers(backend):
    backend(lambda graph, inputs: graph.forward)
    with pytest.raises(RuntimeError, match="shape"):
        Compiled(nn.Linear(2, 1))(torch.ones(3, 5))


@pytest.mark.parametrize("graphs", [pytest.param(graphs, marks=gpu) for graphs in (False, True)])
def test_compiled_networks_train_on_cuda(graphs):
    precision = Precision("cuda")
    network = precision.place(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3)))
    compiled = precision.compile(network, graphs=graphs)
    optimizer = precision.optimizer(torch.optim.Adam, network.parameters(), lr=0.01)
    images = precision.images(torch.randn(8, 3, 16, 16))
    losses = []
    for _ in range(20):
        torch.compiler.cudagraph_mark_step_begin()
        with precision.autocast():
            loss = (compiled(images).float() - images[..., 2:-2, 2:-2]).square().mean()
        precision.step(loss, optimizer)
        losses.append(loss.item())
    assert losses[-1] < losses[0]


# --- resident images ------------------------------------------------------------------------------


@ON_BOTH
@pytest.mark.parametrize("vary", [mirror_half, mirror_and_exchange_channels])
def test_batches_are_what_they_were_made_of_before(device, vary):
    rows = torch.tensor([3, 3, 19, 0])
    expected = vary(images_to_tensor(PIXELS[rows.numpy()]), torch.Generator().manual_seed(5))
    images = ResidentImages(PIXELS, device)
    made = images.batch(rows, torch.Generator().manual_seed(5), vary=vary)
    assert torch.equal(made.cpu(), expected)
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert made.device.type == device
    plain = images.batch(np.array([1]))
    assert torch.equal(plain.cpu(), images_to_tensor(PIXELS[1:2]))
    assert (len(images), images.is_resident) == (20, True)


@pytest.mark.parametrize("mark", [pytest.param(None, marks=gpu)])
def test_images_without_room_stay_on_the_host(mark, monkeypatch):
    monkeypatch.setattr("provenance.training.resident._room", lambda device: 10)
    images = ResidentImages(PIXELS, "cuda")
    assert not images.is_resident
    made = images.batch(torch.tensor([2, 4]))
    assert torch.equal(made.cpu(), images_to_tensor(PIXELS[[2, 4]]))
