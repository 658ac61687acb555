"""Keeps what native decoders print to stderr, which is the only place where libjpeg says so."""

import contextlib
import functools
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

_LOCK = threading.Lock()
_MOST_BYTES = 1 << 16
_NOISE = re.compile(  # how OpenCV, libpng, libjpeg, OpenJPEG and libtiff begin their lines
    rb"\[ ?(WARN|ERROR|INFO)|libpng |Corrupt JPEG|Premature end|Invalid |Unsupported |"
    rb"Application transferred|Inconsistent |Warning: |Unknown |Apparently |More samples |"
    rb"OpenJPEG|> | +[\['(]|.*tempfile\.tif: |JPEGLib|TIFF|"
    rb"_?[A-Z][A-Za-z0-9]*(Decode|Setup|Read|Fetch|State|Fax)\w*: "
)


@contextlib.contextmanager
def decoder_messages() -> Iterator[list[str]]:
    """Catch what decoders write to file descriptor 2; the list is filled when the block ends.

    OpenCV's own log can be switched off, but libpng, libjpeg and libtiff write to the descriptor.
    One block at a time in a process. Lines that other threads write meanwhile are passed on.
    """
    messages: list[str] = []
    with _LOCK:
        sink, saved = _sink(), os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            yield messages
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            _collect(sink, messages)


@functools.cache
def _sink() -> BinaryIO:
    return tempfile.TemporaryFile(buffering=0)


def _collect(sink: BinaryIO, messages: list[str]) -> None:
    if not os.lseek(sink.fileno(), 0, os.SEEK_CUR):
        return
    os.lseek(sink.fileno(), 0, os.SEEK_SET)
    for line in os.read(sink.fileno(), _MOST_BYTES).splitlines():
        if _NOISE.match(line):
            messages.append(line.decode(errors="replace"))
        elif line:
            sys.stderr.write(line.decode(errors="replace") + "\n")
    os.lseek(sink.fileno(), 0, os.SEEK_SET)
    os.ftruncate(sink.fileno(), 0)
