"""Small signed files, and the folder's helper module on the path."""

import sys
from pathlib import Path

import numpy as np
import pytest

from provenance.credentials import (
    GenerationClaim,
    development_signer,
    generation_manifest,
    load_trust_anchors,
    sign_bytes,
)
from provenance.media import encode_png

sys.path.append(str(Path(__file__).parent))  # json_formula; importlib mode adds no folder


@pytest.fixture
def claim():
    return GenerationClaim(
        title="a.png",
        generator="gan",
        generator_version="1.0",
        family="gan",
        model="gan-32",
        checkpoint_sha256="ab" * 32,
        seed=7,
        step="sample",
    )


@pytest.fixture
def manifest(claim):
    return generation_manifest(claim)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.fixture
def png(pixels):
    return encode_png(pixels)


@pytest.fixture
def signer():
    return development_signer()


@pytest.fixture
def anchors(signer):
    return load_trust_anchors(None)


@pytest.fixture
def nobody():
    return load_trust_anchors([])


@pytest.fixture
def signed(tmp_path, png, manifest, signer):
    """A signed PNG on disk."""
    path = tmp_path / "signed.png"
    path.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    return path


@pytest.fixture
def c2pa_data(shared_data):
    return shared_data / "c2pa"


@pytest.fixture
def test_roots(c2pa_data):
    return load_trust_anchors([c2pa_data / "test-roots.pem"])


@pytest.fixture
def independent(monkeypatch, tmp_path, anchors):
    """Verify bytes with an engine that shares no code with ours, offline and without telemetry.

    Called with data and media type, it returns the engine's report; trusts our development CA.
    """
    engine = pytest.importorskip("encypher_c2pa", reason="the independent engine is not here")
    monkeypatch.setenv("ENCYPHER_C2PA_CONFIG_DIR", str(tmp_path / "encypher"))
    monkeypatch.setenv("ENCYPHER_C2PA_TELEMETRY", "off")
    monkeypatch.setenv("ENCYPHER_C2PA_ONLINE", "off")
    roots = "".join(one.pem for one in anchors.lists)

    def verify(data, media_type, *, roots=roots, **more):
        options = {"trust_pem": roots, "no_default_trust": True, "online": False}
        return engine.verify(data, media_type, **options, **more)

    return verify
