"""The two ends of a worker's pipe: whole messages, each with its length before it.

The main process never waits for one worker, be it that it takes no bytes or that it died in the
middle of a message: both directions can be full at once, and each end would wait for the other.
"""

import pickle
import socket
import struct
import threading
from collections import deque
from typing import Any

_LENGTH = struct.Struct("!Q")
_READ_BYTES = 1 << 18
_SMALL_BYTES = 1 << 16


class MainEnd:
    """The end in the main process; no call waits.

    Attributes:
        is_over: The worker has closed its end, and all that it sent has been received.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._received = bytearray()
        self._unsent: deque[memoryview] = deque()
        self.is_over = False

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether to call :meth:`flush` when the pipe takes bytes again."""
        return bool(self._unsent)

    def put(self, pickled: bytes) -> None:
        """Send a pickled message, now or by a later :meth:`flush`."""
        self._unsent += (memoryview(_LENGTH.pack(len(pickled))), memoryview(pickled))
        self.flush()

    def flush(self) -> None:
        """Send as much as the pipe takes. A worker that is gone is noticed when it is read."""
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent[0])
                rest = self._unsent.popleft()[sent:]
                if rest:
                    self._unsent.appendleft(rest)
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()

    def receive(self) -> list[bytes]:
        """Return the messages that have arrived whole, pickled."""
        try:
            while chunk := self._socket.recv(_READ_BYTES):
                self._received += chunk
            self.is_over = True
        except BlockingIOError:
            pass
        except OSError:  # the worker died with bytes of ours unread
            self.is_over = True
        return self._whole_messages()

    def close(self) -> None:
        """Close this end, by which the worker ends."""
        self._socket.close()

    def _whole_messages(self) -> list[bytes]:
        messages, start = [], 0
        while (body := start + _LENGTH.size) <= len(self._received):
            end = body + _LENGTH.unpack_from(self._received, start)[0]
            if end > len(self._received):
                break
            messages.append(bytes(self._received[body:end]))
            start = end
        del self._received[:start]
        return messages


class WorkerEnd:
    """The end in the worker, where threads may share it; calls wait."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._stream = self._socket.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: Any) -> None:
        """Pickle and send a message.

        Raises:
            Exception: Whatever pickling raises; nothing has been sent then.
            OSError: The main process is gone.
        """
        pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        length = _LENGTH.pack(len(pickled))
        with self._lock:
            if len(pickled) < _SMALL_BYTES:
                self._socket.sendall(length + pickled)
                return
            self._socket.sendall(length)
            self._socket.sendall(pickled)

    def receive(self) -> Any:
        """Wait for a message.

        Raises:
            EOFError: The main process has closed its end.
            Exception: Whatever unpickling raises.
        """
        length = self._stream.read(_LENGTH.size)
        if len(length) < _LENGTH.size:
            raise EOFError
        return pickle.loads(self._stream.read(_LENGTH.unpack(length)[0]))  # noqa: S301 - ours
