"""Containers are measured without their credential, and leaks through them are caught."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from provenance import Label, MediaKind, Split, Step, UserError
from provenance.corpora import audit_corpus
from provenance.corpora.audit import auc
from provenance.corpora.containers import measure, without_credential
from provenance.corpora.reader import Corpus
from provenance.corpora.schema import Row
from provenance.credentials import (
    GenerationClaim,
    development_signer,
    generation_manifest,
    sign_bytes,
)
from provenance.files import sha256_bytes
from provenance.media import encode_jpeg, encode_png


def photo(seed, smooth=False, size=32):
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    return cv2.GaussianBlur(pixels, (0, 0), 2) if smooth else pixels


def deflated(pixels):
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes()


def with_text(pixels):
    stream, info = io.BytesIO(), Image.Exif()
    info[0x0131] = "some software"
    Image.fromarray(pixels).save(stream, "PNG", exif=info, compress_level=0)
    return stream.getvalue()


@pytest.fixture
def build(tmp_path):
    """Write and open a corpus of pairs, each pair a group."""

    def builder(real, fake, pairs=40):
        rows = []
        for number in range(2 * pairs):
            is_fake = number % 2 == 1
            data = (fake if is_fake else real)(number)
            name = f"{number:05d}.bin"
            (tmp_path / name).write_bytes(data)
            label = Label.SYNTHETIC if is_fake else Label.REAL
            rows.append(row(name, data, label, f"g{number // 2}"))
        return Corpus(tmp_path, {}, tuple(rows), "")

    return builder


def row(name, data, label, group):
    fake = label is Label.SYNTHETIC
    return Row(
        file_name=name,
        sha256=sha256_bytes(data),
        kind=MediaKind.IMAGE,
        label=label,
        generator="g" if fake else None,
        generator_version=None,
        checkpoint=None,
        seed=None,
        category=None,
        parent=group,
        step=Step.RECONSTRUCTION if fake else Step.REAL,
        split=Split.TRAIN,
        manifest=None,
        group=group,
    )


@pytest.fixture(scope="module")
def sign(tmp_path_factory):
    signer = development_signer(tmp_path_factory.mktemp("keys"))
    claim = GenerationClaim("a", "g", "1", "f", "m", "ab" * 32, 1, "sample")
    return lambda data, kind: sign_bytes(data, kind, generation_manifest(claim), signer)


@pytest.mark.parametrize(("encode", "kind"), [(encode_png, "png"), (encode_jpeg, "jpeg")])
def test_a_file_without_its_credential_is_the_file_before_signing(encode, kind, sign):
    plain = encode(photo(0))
    signed = sign(plain, f"image/{kind}")
    assert len(signed) > len(plain) + 1000
    assert without_credential(signed) == plain
    assert without_credential(plain) == plain
    assert measure(signed).has_credential
    assert not measure(plain).has_credential
    assert measure(without_credential(signed)).features == measure(plain).features


def test_equal_containers_pass(build, sign):
    corpus = build(
        lambda n: encode_png(photo(n)),
        lambda n: sign(encode_png(photo(n, smooth=True)), "image/png"),
    )
    result = audit_corpus(corpus, seed=0)
    assert result.passed
    assert result.auc == 0.5
    assert result.features == {}
    assert result.credentials == {"real": 0.0, "synthetic": 1.0}
    assert result.auc_with_credential > 0.95


@pytest.mark.parametrize(
    ("real", "fake", "feature"),
    [
        (lambda n: encode_jpeg(photo(n)), lambda n: encode_png(photo(n)), "is image/jpeg"),
        (lambda n: encode_png(photo(n)), lambda n: encode_png(photo(n, size=40)), "width"),
        (
            lambda n: deflated(photo(n)),
            lambda n: deflated(photo(n, smooth=True)),
            "bytes per pixel",
        ),
        (lambda n: encode_png(photo(n)), lambda n: with_text(photo(n)), "png chunk eXIf"),
        (
            lambda n: encode_jpeg(photo(n), quality=80),
            lambda n: encode_jpeg(photo(n), quality=90),
            "jpeg quality",
        ),
        (lambda n: encode_png(photo(n)), lambda n: deflated(photo(n)), "png deflate level"),
    ],
    ids=["format", "size", "smoothness", "metadata", "quality", "deflate"],
)
def test_a_leak_is_caught_and_named(real, fake, feature, build):
    result = audit_corpus(build(real, fake), seed=0)
    assert not result.passed
    assert result.auc > 0.95
    assert result.interval[0] > 0.9
    assert result.features[feature] > 0.95


def test_sizes_that_tell_nothing_pass(build):
    """Sizes differ from file to file, but not from class to class."""

    def mixed(number):
        return deflated(photo(number, smooth=number // 2 % 3 > 0))

    result = audit_corpus(build(mixed, mixed, pairs=400), seed=0)
    assert "file bytes" in result.features
    assert result.passed
    assert result.interval[0] < 0.5 < result.interval[1]


def test_qualities_are_those_of_the_encoder():
    for quality in (50, 75, 90, 95):
        features = measure(encode_jpeg(photo(0), quality=quality)).features
        assert features["jpeg quality"] == pytest.approx(quality, abs=1)


def test_damaged_files_are_measured_as_far_as_they_go():
    for data in (
        encode_png(photo(0)),
        encode_jpeg(photo(0)),
        b"",
        b"text",
        b"\xff\xd8\xff\xe0\x00",
    ):
        for end in range(0, len(data), 7):
            measure(data[:end])


def test_one_class_or_few_groups_cannot_be_audited(build):
    corpus = build(lambda n: encode_png(photo(n)), lambda n: encode_png(photo(n)))
    with pytest.raises(UserError, match="one class"):
        audit_corpus(Corpus(corpus.folder, {}, corpus.rows[::2], ""), seed=0)
    with pytest.raises(UserError, match="groups"):
        audit_corpus(Corpus(corpus.folder, {}, corpus.rows[:10], ""), seed=0)


def test_the_auc_is_scikit_learns():
    random = np.random.default_rng(0)
    truth, scores = random.random(200) < 0.3, random.integers(0, 9, 200).astype(float)
    weights = random.integers(0, 4, 200).astype(float)
    assert auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    expected = roc_auc_score(truth, scores, sample_weight=weights)
    assert auc(truth, scores, weights) == pytest.approx(expected)
