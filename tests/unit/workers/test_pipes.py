"""Messages through pipes: whole or not at all, and the main end never waits."""

import os
import pickle
import socket
import threading

import pytest

from provenance.workers.pipes import MainEnd, WorkerEnd


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    main = MainEnd(ours)
    yield main, theirs
    main.close()
    theirs.close()


def test_messages_arrive_whole_however_they_are_cut(ends):
    main, raw = ends
    messages = [b"", b"a", bytes(70_000), b"b" * 300]
    stream = b"".join(len(m).to_bytes(8, "big") + m for m in messages)
    received, sent = [], 0
    for size in (1, 6, 1, 3, 40_000, 30_000, 60, len(stream)):
        raw.sendall(stream[sent : sent + size])
        sent += size
        received += main.receive()
    assert received == messages
    assert not main.is_over


def test_an_end_in_the_middle_of_a_message_is_an_end(ends):
    main, raw = ends
    raw.sendall((1).to_bytes(8, "big") + b"x" + (1 << 60).to_bytes(8, "big") + b"half")
    raw.close()
    assert main.receive() == [b"x"]
    assert main.is_over


def test_the_main_end_never_waits(ends):
    main, raw = ends
    assert main.receive() == []
    large = os.urandom(5 << 20)
    main.put(pickle.dumps(large))
    assert main.has_unsent
    worker = WorkerEnd(raw.detach())
    got = []
    thread = threading.Thread(target=lambda: got.append(worker.receive()))
    thread.start()
    while main.has_unsent:
        main.flush()
    thread.join(10)
    assert got == [large]


def test_to_a_worker_that_is_gone_nothing_is_kept(ends):
    main, raw = ends
    main.put(bytes(5 << 20))
    raw.close()
    main.flush()
    assert not main.has_unsent
    main.put(b"more")
    assert not main.has_unsent
    assert main.receive() == []
    assert main.is_over


def test_the_worker_end_ends_with_the_main_end(ends):
    main, raw = ends
    worker = WorkerEnd(raw.detach())
    main.put(pickle.dumps([1, 2]))
    main.close()
    assert worker.receive() == [1, 2]
    with pytest.raises(EOFError):
        worker.receive()
