"""What a process may take of the machine."""

import ctypes
import resource
import subprocess
import sys

import pytest

from provenance.workers import default_jobs


def test_jobs_are_the_cores_that_we_may_run_on(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3, 5, 7})
    assert default_jobs() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_limit_set_from_outside_is_kept():
    code = """if True:
        import pathlib, resource
        from provenance.workers import limit_memory
        def forbidden(*_):
            raise PermissionError
        pathlib.Path.write_text = forbidden
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit_memory(1 << 40)
        assert resource.getrlimit(resource.RLIMIT_AS) == (hard, hard)
    """
    limit = 1_200_000 << 10
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert result.returncode == 0, result.stderr.decode()


FAULTS = """
import resource, sys
from provenance.workers import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def work():
    for _ in range(200):
        bytearray(b"x") * 300_000
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="a C library without mallopt")
def test_freed_memory_is_kept_for_the_next_file():
    def faults(how):
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") < 200
