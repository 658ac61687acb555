"""Folders of pictures to read."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def picture():
    """Encode seeded noise, blurred so that it survives a downscale."""

    def encode(suffix=".png", *, height=96, width=128, seed=0):
        noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
        return cv2.imencode(suffix, cv2.GaussianBlur(noise, (0, 0), 1.5) * 2)[1].tobytes()

    return encode
