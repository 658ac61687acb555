"""Reads files in a process that the kernel ends at its first socket.

``offline.py ENGINE ROOTS FILE...`` prints the integrity of each file as JSON. Exit code 77:
this system has no such ban.
"""

import ctypes
import json
import platform
import socket
import struct
import sys
from pathlib import Path

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # prctl(2)
_KILL, _ALLOW = 0x80000000, 0x7FFF0000  # seccomp(2)
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF
_SOCKET = {"x86_64": 41, "aarch64": 198}  # number of the system call
NOT_SUPPORTED = 77


def ban_sockets() -> None:
    """End this process at any ``socket()``, threads that come later included."""
    number = _SOCKET.get(platform.machine())
    if number is None or sys.platform != "linux":
        raise OSError("no ban on sockets for this system")
    rules = (
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, program, 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the kernel refuses the ban on sockets")


def ours(roots: Path, files: list[Path]) -> list[str]:
    from provenance.credentials import load_trust_anchors, read_credential

    trust = load_trust_anchors([roots])
    return [read_credential(file, None, trust).integrity for file in files]


def independent(roots: Path, files: list[Path]) -> list[str]:
    import encypher_c2pa

    pem = roots.read_text()
    return [
        encypher_c2pa.verify(file, trust_pem=pem, no_default_trust=True)["integrity"]
        for file in files
    ]


def main() -> None:
    engine, roots, *files = sys.argv[1:]
    try:
        ban_sockets()
    except OSError as error:
        sys.stderr.write(str(error))
        raise SystemExit(NOT_SUPPORTED) from error
    if engine == "socket":
        socket.socket()
    read = {"ours": ours, "independent": independent}[engine]
    sys.stdout.write(json.dumps(read(Path(roots), [Path(file) for file in files])))


if __name__ == "__main__":
    main()
