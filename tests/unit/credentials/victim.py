"""Reads and signs hostile files for a test, in a process of its own that may die of them.

``victim.py ROOTS`` takes a path a line on stdin and answers a line of JSON each. Memory is bounded
as a whole and CPU time per file, both by the kernel, so that a bomb ends this process.
"""

import json
import math
import resource
import sys
import time
from pathlib import Path

MAX_BYTES = 2 << 30  # of address space; the interpreter and its libraries map half of it
MAX_CPU_S = 2  # per file


def main() -> None:
    from provenance.credentials import CredentialSession, load_trust_anchors, read_credential
    from provenance.errors import ProvenanceError

    trust, session = load_trust_anchors([Path(sys.argv[1])]), CredentialSession()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        start = time.process_time()
        allowed = math.ceil(start) + MAX_CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        answer = {"report": read_credential(path, None, trust).to_json()}
        answer["read_s"] = time.process_time() - start
        try:
            out = path.with_suffix(".signed")
            session.sign(path, out)
            answer["signed"] = read_credential(out, None, trust).to_json()
        except ProvenanceError as error:
            answer["refused"] = str(error)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
