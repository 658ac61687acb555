"""The rule, line by line of the table in the README of scanning."""

import itertools
import math

import hypothesis
import pytest
from hypothesis import strategies as st

from provenance import Channel, Evidence, Verdict
from provenance.scanning import conclude
from provenance.scanning.verdict import fuse

V = Verdict
C = Channel


def said(channel, says, probability=None, source="s@1"):
    return Evidence(channel, source, says, probability, reason=f"{channel} says {says}")


def detector(says, probability, source="d@1"):
    return said(C.DETECTOR, says, probability, source)


@pytest.mark.parametrize("says", [V.TAMPERED, V.SYNTHETIC, V.EDITED, V.CAPTURED])
@pytest.mark.parametrize(("upper", "lower"), list(itertools.pairwise(Channel)))
def test_the_more_trusted_channel_decides(upper, lower, says):
    other = V.CAPTURED if says is not V.CAPTURED else V.SYNTHETIC
    probability = 0.99 if C.DETECTOR in (upper, lower) else None
    evidence = [said(lower, other, probability), said(upper, says, probability)]
    assert conclude(evidence).verdict == says


def test_nothing_found_is_no_evidence_and_never_real():
    assert conclude([]).verdict == V.NO_EVIDENCE
    assert conclude([]).probability is None
    assert conclude([detector(V.NO_EVIDENCE, 0.01)]).verdict == V.NO_EVIDENCE
    assert not [verdict for verdict in Verdict if "real" in verdict]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (V.SYNTHETIC, V.SYNTHETIC, V.SYNTHETIC),
        (V.SYNTHETIC, V.INCONCLUSIVE, V.INCONCLUSIVE),
        (V.SYNTHETIC, V.NO_EVIDENCE, V.INCONCLUSIVE),
        (V.INCONCLUSIVE, V.NO_EVIDENCE, V.INCONCLUSIVE),
        (V.NO_EVIDENCE, V.NO_EVIDENCE, V.NO_EVIDENCE),
    ],
)
def test_detectors_must_agree(first, second, verdict):
    evidence = [detector(first, 0.9, "a@1"), detector(second, 0.4, "b@1")]
    conclusion = conclude(evidence)
    assert conclusion.verdict == verdict
    disagree = first is not second
    assert any("Detectors disagree" in reason for reason in conclusion.reasons) is disagree


def test_an_abstention_has_no_vote():
    evidence = [detector(V.SYNTHETIC, 0.95), detector(V.NO_EVIDENCE, None, "other@1")]
    conclusion = conclude(evidence)
    assert conclusion.verdict == V.SYNTHETIC
    assert conclusion.probability == pytest.approx(0.95)


def test_within_a_channel_tampered_voids_the_rest_and_a_clash_is_inconclusive():
    credential = C.CREDENTIAL
    assert (
        conclude([said(credential, V.CAPTURED), said(credential, V.TAMPERED)]).verdict == "tampered"
    )
    assert (
        conclude([said(credential, V.SYNTHETIC), said(credential, V.EDITED)]).verdict == "synthetic"
    )
    clash = conclude([said(credential, V.CAPTURED), said(credential, V.SYNTHETIC)])
    assert clash.verdict == V.INCONCLUSIVE


def test_an_undecided_channel_leaves_it_to_the_next():
    undecided = said(C.CREDENTIAL, V.INCONCLUSIVE)
    assert conclude([undecided, detector(V.SYNTHETIC, 0.97)]).verdict == V.SYNTHETIC
    assert conclude([undecided, detector(V.NO_EVIDENCE, 0.03)]).verdict == V.INCONCLUSIVE


def test_conflicts_are_told_and_never_averaged_away():
    evidence = [detector(V.SYNTHETIC, 0.98), said(C.CREDENTIAL, V.CAPTURED)]
    conclusion = conclude(evidence)
    assert conclusion.verdict == V.CAPTURED
    assert conclusion.probability == pytest.approx(0.98)
    assert conclusion.reasons == (
        "Conflict: detector says synthetic, the more trusted credential says captured",
        "credential says captured",
        "detector says synthetic",
    )


def test_agreement_and_silence_are_no_conflict():
    for other in (detector(V.SYNTHETIC, 0.9), detector(V.NO_EVIDENCE, 0.1)):
        reasons = conclude([said(C.CREDENTIAL, V.SYNTHETIC), other]).reasons
        assert not [reason for reason in reasons if reason.startswith("Conflict")]


def test_an_error_is_the_verdict_only_where_nothing_decides():
    assert conclude([], error="truncated").verdict == V.ERROR
    assert conclude([detector(V.NO_EVIDENCE, 0.1)], error="x").verdict == V.ERROR
    assert conclude([said(C.CREDENTIAL, V.TAMPERED)], error="truncated").verdict == V.TAMPERED


def test_notes_end_the_reasons():
    assert conclude([], notes=["audio/wav: no detector looks at it"]).reasons == (
        "audio/wav: no detector looks at it",
    )


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=5)


@hypothesis.given(probabilities)
@hypothesis.settings(derandomize=True, database=None)
def test_fusion_is_a_mean_in_log_odds(values):
    fused = fuse(detector(V.INCONCLUSIVE, value) for value in values)
    assert min(values) - 1e-5 <= fused <= max(values) + 1e-5
    mirrored = fuse(detector(V.INCONCLUSIVE, 1 - value) for value in values)
    assert math.isclose(fused, 1 - mirrored, abs_tol=1e-9)


def test_fusion_by_hand():
    evidence = [detector(V.SYNTHETIC, 0.9), detector(V.INCONCLUSIVE, 0.5)]
    assert fuse(evidence) == pytest.approx(1 / (1 + math.exp(-math.log(9) / 2)))  # 0.75
    assert fuse(evidence) == pytest.approx(0.75)
