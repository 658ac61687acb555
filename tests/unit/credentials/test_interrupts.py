"""Ctrl-C while the library works: it stops the work, and nothing is made of half a file."""

import contextlib
import io
import os
import signal
import threading

import pytest

import provenance
from provenance.credentials import interrupts
from provenance.credentials.signing.planning import plan
from provenance.credentials.signing.sources import source_of_bytes


class Pressed(io.BytesIO):
    """A file during whose reading or writing somebody presses Ctrl-C: at the call so numbered."""

    n_calls = 0
    at = -1

    def _count(self):
        type(self).n_calls += 1
        if self.n_calls == self.at:
            os.kill(os.getpid(), signal.SIGINT)

    def readinto(self, buffer):
        self._count()
        return super().readinto(buffer)

    def seek(self, *where):
        self._count()
        return super().seek(*where)

    def write(self, data):
        self._count()
        return super().write(data)


@pytest.fixture
def job(png):
    return plan(source_of_bytes(png), provenance.Recipe()).job


def test_ctrl_c_at_any_call_of_the_library_ends_signing(job, png, signer):
    """It would be lost, leave a broken file or abort the process: the library reads "no bytes"."""
    Pressed.n_calls, Pressed.at = 0, -1
    job.run(Pressed(png), Pressed(), signer)
    n_calls = Pressed.n_calls
    assert n_calls > 50
    for at in range(1, n_calls + 1, 7):
        Pressed.n_calls, Pressed.at = 0, at
        with pytest.raises(KeyboardInterrupt):
            job.run(Pressed(png), Pressed(), signer)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_wins_over_what_fails_at_the_same_time():
    @interrupts.held()
    def fail():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError

    with pytest.raises(KeyboardInterrupt):
        fail()


def test_within_one_another_only_the_outermost_gives_ctrl_c_back():
    reached = []

    @interrupts.held()
    def inner():
        os.kill(os.getpid(), signal.SIGINT)

    @interrupts.held()
    def outer():
        inner()
        inner()
        reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_key_that_keeps_us_waiting_can_be_interrupted():
    reached = []

    @interrupts.held()
    def wait():
        with contextlib.suppress(KeyboardInterrupt), interrupts.let_through():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("not")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("held again")
        with interrupts.let_through():
            reached.append("not")

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert reached == ["held again"]


def test_the_handler_of_a_server_and_other_threads_are_left_alone(monkeypatch):
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("server"))
    try:
        with interrupts.held(), interrupts.let_through():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == ["server"]

    def elsewhere():
        with interrupts.held(), interrupts.let_through():
            heard.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard[1:] == [signal.default_int_handler]


def test_ctrl_c_while_reading_is_no_verdict(png):
    """It would be "the file was changed", or the end of the process."""
    from provenance.credentials import ReadingOptions, TrustAnchors
    from provenance.credentials.reading.examination import examine
    from provenance.credentials.reading.opening import Asset

    signed = provenance.sign(png)

    def read(at):
        stream = Pressed(signed)
        Pressed.n_calls, Pressed.at = 0, at
        return examine(Asset(stream, "image/png"), TrustAnchors(), ReadingOptions())

    assert read(-1).integrity == "ok"
    n_calls = Pressed.n_calls
    assert n_calls > 10
    for at in range(1, n_calls + 1, 3):
        with pytest.raises(KeyboardInterrupt):
            read(at)
