"""One run of a command: input given, output taken, time and amount bounded, nothing left behind."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass

_MAX_MESSAGE_BYTES = 500
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a command.

    Attributes:
        output: What it wrote to stdout.
        message: The end of what it wrote to stderr.
        exit_code: Negative where a signal ended it.
        is_too_long: Whether it wrote more than was allowed, and was stopped for that.
    """

    output: bytes
    message: bytes
    exit_code: int
    is_too_long: bool


def run(command: tuple[str, ...], data: bytes, *, timeout_s: float, max_bytes: int) -> Done:
    """Run a command without a shell, in this process's environment.

    Args:
        command: Absolute path of the program, and its arguments.
        data: For its standard input.
        timeout_s: For all of it.
        max_bytes: Of output.

    Raises:
        OSError: It cannot be started.
        TimeoutError: It took too long; it and its children were killed.
    """
    deadline = time.monotonic() + timeout_s
    with subprocess.Popen(  # noqa: S603 - the user's own command
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that its children can be killed with it
    ) as process:
        talk = _Talk(process, data, max_bytes)
        try:
            talk.hold(deadline)
            if talk.is_too_long:
                _kill(process)
            exit_code = process.wait(_left_s(deadline))
        except BaseException as error:
            _kill(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError from error
            raise
        return Done(bytes(talk.output), bytes(talk.message), exit_code, talk.is_too_long)


class _Talk:
    """Writes and reads as either is possible, so that no full pipe stops both sides."""

    def __init__(self, process: "subprocess.Popen[bytes]", data: bytes, max_bytes: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._unsent = memoryview(data)
        self._max_bytes = max_bytes
        self.output, self.message = bytearray(), bytearray()

    @property
    def is_too_long(self) -> bool:
        """Whether more was written than is allowed."""
        return len(self.output) > self._max_bytes

    def hold(self, deadline: float) -> None:
        """Talk until the command closes its ends, or writes too much."""
        os.set_blocking(self._stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE, self._send)
            selector.register(self._stdout, selectors.EVENT_READ, self._receive)
            selector.register(self._stderr, selectors.EVENT_READ, self._listen)
            while selector.get_map() and not self.is_too_long:
                for key, _ in selector.select(_left_s(deadline)):
                    if key.data():  # whether this end is done
                        selector.unregister(key.fileobj)
                        if key.fileobj is self._stdin:
                            self._stdin.close()

    def _send(self) -> bool:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent) :]
        except BrokenPipeError:  # it does not listen, which is its right
            self._unsent = self._unsent[:0]
        return not self._unsent

    def _receive(self) -> bool:
        chunk = os.read(self._stdout.fileno(), _CHUNK_BYTES)
        self.output += chunk
        return not chunk

    def _listen(self) -> bool:
        chunk = os.read(self._stderr.fileno(), _CHUNK_BYTES)
        self.message = (self.message + chunk)[-_MAX_MESSAGE_BYTES:]
        return not chunk


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the command and its children; its group is its own until somebody has waited for it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _left_s(deadline: float) -> float:
    """Return the seconds left; raises TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
