"""Time-stamps: what an authority adds, and what each way of not answering leads to."""

import contextlib
import datetime
import logging
import socket
import threading
import time

import pytest
from signing_keys import write_signer
from timestamp_authority import timestamp_authority

from provenance.credentials import (
    TimestampError,
    TimestampPolicy,
    development_signer,
    load_signer,
    load_trust_anchors,
    read_credential,
    read_credential_bytes,
    sign_bytes,
)
from provenance.credentials.signing import timestamps
from provenance.credentials.signing.timestamps import LIBRARY_TIMEOUT_S, PAUSE_S
from provenance.errors import CredentialError, UserError

PNG = "image/png"
LIFETIME_S = 2.0


@pytest.fixture
def authority(tmp_path):
    """Run an authority of a behaviour; its root is at ``.root``."""
    with contextlib.ExitStack() as stack:

        def run(behaviour="good"):
            return stack.enter_context(timestamp_authority(tmp_path / "authority", behaviour))

        yield run


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(timestamps.pauses, "_ends", {})


def signer_with(url, *, required=True):
    return development_signer(timestamp=TimestampPolicy(url, required=required))


# --- authorities that answer ----------------------------------------------------------------------


def test_the_time_is_trusted_where_its_root_is(authority, png, manifest):
    there = authority()
    data = sign_bytes(png, PNG, manifest, signer_with(there.url))
    assert len(there.queries) == 1
    known, unknown = load_trust_anchors(None, [there.root]), load_trust_anchors(None)
    credentials = [read_credential_bytes(data, PNG, trust) for trust in (known, unknown)]
    assert [one.time for one in credentials] == ["trusted", "untrusted"]
    assert [one.signer for one in credentials] == ["trusted", "trusted"]
    assert [one.integrity for one in credentials] == ["ok", "ok"]


def test_every_file_has_a_time_of_its_own(authority, png, manifest):
    there = authority()
    signer = load_signer("development", {}, timestamp=TimestampPolicy(there.url))
    assert there.queries == []  # asked for signatures only
    for _ in range(3):
        sign_bytes(png, PNG, manifest, signer)
    assert len(set(there.queries)) == 3


def test_a_trusted_time_outlives_the_certificate(tmp_path, authority, png, manifest):
    """The reason for time-stamps: what was signed in time stays signed by somebody."""
    there = authority()
    life = datetime.timedelta(seconds=LIFETIME_S)
    files = write_signer(tmp_path / "keys", ends=life)
    ends = time.monotonic() + LIFETIME_S
    policy = TimestampPolicy(there.url)
    stamped, bare = tmp_path / "stamped.png", tmp_path / "bare.png"
    for path, timestamp in ((stamped, policy), (bare, None)):
        signer = load_signer("pem", files.settings, timestamp=timestamp)
        path.write_bytes(sign_bytes(png, PNG, manifest, signer))
    time.sleep(max(0.0, ends + 1 - time.monotonic()))
    trust = load_trust_anchors([files.root], [there.root])
    assert read_credential(stamped, None, trust).signer == "trusted"
    assert read_credential(stamped, None, trust).time == "trusted"
    assert read_credential(bare, None, trust).signer == "expired"
    nobody_for_time = load_trust_anchors([files.root])
    assert read_credential(stamped, None, nobody_for_time).signer == "expired"
    with pytest.raises(CredentialError, match="expired on"):
        sign_bytes(png, PNG, manifest, signer)


def test_time_and_signer_are_trusted_separately(authority, png, manifest):
    there = authority()
    data = sign_bytes(png, PNG, manifest, signer_with(there.url))
    swapped = load_trust_anchors([there.root], [])
    credential = read_credential_bytes(data, PNG, swapped)
    assert (credential.signer, credential.time) == ("untrusted", "untrusted")


# --- authorities that do not ----------------------------------------------------------------------

REASONS = {
    "refusing": "it refuses",
    "failing": "status = 500",
    "garbage": "decode error",
    "other": "nonce mismatch",
    "long": "longer than the 10 kB",
    "redirecting": "redirect",
}


@pytest.mark.parametrize("behaviour", REASONS)
def test_where_a_time_is_required_nothing_is_signed_without(authority, png, manifest, behaviour):
    there = authority(behaviour)
    with pytest.raises(TimestampError, match=REASONS[behaviour]) as caught:
        sign_bytes(png, PNG, manifest, signer_with(there.url))
    assert there.url in str(caught.value)
    assert "policy: prefer" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("behaviour", REASONS)
def test_where_a_time_is_preferred_a_warning_says_that_it_lacks(
    authority, png, manifest, anchors, caplog, behaviour
):
    there = authority(behaviour)
    with caplog.at_level(logging.WARNING):
        data = sign_bytes(png, PNG, manifest, signer_with(there.url, required=False))
    credential = read_credential_bytes(data, PNG, anchors)
    assert (credential.integrity, credential.signer, credential.time) == ("ok", "trusted", "none")
    (record,) = caplog.records
    assert "Signed without a time-stamp" in record.getMessage()
    assert there.url in record.getMessage()


def test_nobody_there_is_said_at_once(png, manifest):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        start = time.monotonic()
        with pytest.raises(TimestampError, match="No time-stamp from"):
            sign_bytes(png, PNG, manifest, signer_with(url))
        assert time.monotonic() - start < 5


def test_a_huge_answer_is_no_time_stamp(authority, png, manifest):
    with pytest.raises(TimestampError, match="decode error"):
        sign_bytes(png, PNG, manifest, signer_with(authority("huge").url))


@pytest.mark.slow
def test_an_authority_that_hangs_is_left_after_30_seconds(authority, png, manifest, caplog):
    """Two ways to hang, at once; then the pause, in which an optional one is not asked."""
    silent, dripping = authority("slow"), authority("dripping")
    said = {}

    def sign(there, required):
        start = time.monotonic()
        try:
            sign_bytes(png, PNG, manifest, signer_with(there.url, required=required))
            said[there.url] = "", time.monotonic() - start
        except TimestampError as error:
            said[there.url] = str(error), time.monotonic() - start

    threads = [
        threading.Thread(target=sign, args=(silent, True)),
        threading.Thread(target=sign, args=(dripping, False)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIBRARY_TIMEOUT_S + 10)
    message, waited_s = said[silent.url]
    assert "did not answer within 30 s" in message
    assert waited_s < LIBRARY_TIMEOUT_S + 5
    message, waited_s = said[dripping.url]
    assert message == ""
    assert waited_s < LIBRARY_TIMEOUT_S + 5
    sign(dripping, False)
    assert said[dripping.url][1] < 5
    assert len(dripping.queries) == 1
    assert "asked again in" in caplog.text


def test_an_optional_authority_that_kept_us_waiting_is_left_alone(authority, png, manifest, caplog):
    there = authority()
    timestamps.pauses.note(there.url, waited_s=30.0)
    signer = signer_with(there.url, required=False)
    assert (
        read_credential_bytes(
            sign_bytes(png, PNG, manifest, signer), PNG, load_trust_anchors(None)
        ).time
        == "none"
    )
    assert there.queries == []
    assert "Signing without a time-stamp" in caplog.text
    sign_bytes(png, PNG, manifest, signer_with(there.url))  # one that is required is asked
    assert len(there.queries) == 1


def test_pauses_end_and_quick_refusals_make_none(monkeypatch):
    pauses = timestamps.pauses
    pauses.note("http://quick/", waited_s=0.1)
    pauses.note("http://slow/", waited_s=30.0)
    assert pauses.left_s("http://quick/") == 0
    assert 0 < pauses.left_s("http://slow/") <= PAUSE_S
    later = time.monotonic() + PAUSE_S + 1
    monkeypatch.setattr(timestamps.time, "monotonic", lambda: later)
    assert pauses.left_s("http://slow/") == 0


def test_a_fault_of_the_file_is_not_blamed_on_the_authority(authority, manifest):
    there = authority("failing")
    with pytest.raises(CredentialError, match="could not be signed") as caught:
        sign_bytes(b"\x89PNG\r\n\x1a\n broken", PNG, manifest, signer_with(there.url))
    assert not isinstance(caught.value, TimestampError)
    assert there.queries == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "timestamp.example.org",
        "ftp://timestamp.example.org/",
        "http:///path",
        "http://user:secret@timestamp.example.org/",
        "http://timestamp.example.org:port/",
        "http://timestamp.example.org/\x1b[2J",
        "http://timestamp.example.org/a b",
        "http://bücher.example/",
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UserError, match="no address of a time-stamping authority") as caught:
        TimestampPolicy(url)
    assert "\x1b" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_hosts_are_those_of_the_policy():
    assert development_signer().hosts == ()
    assert signer_with("https://Time.example.org:8443/x").hosts == ("time.example.org",)
