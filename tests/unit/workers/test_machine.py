"""What a process may take of the machine."""

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
