"""The example of the package's README runs as it stands there."""

import re

import numpy as np
import torch

from provenance import FitContext


def test_the_fit_of_the_readme_trains_and_resumes(root, tmp_path):
    text = (root / "provenance" / "training" / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(code, names)
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
    weights = []
    for resume in (False, True):
        torch.manual_seed(1)
        network = torch.nn.Conv2d(3, 3, 1)
        before = network.weight.detach().clone()
        names["fit"](network, images, FitContext(tmp_path, max_steps=3, resume=resume))
        assert not torch.equal(before, network.weight)
        weights.append(network.weight.detach().clone())
    assert torch.equal(*weights)  # the second run found itself finished
