"""One call, one session, many files: everywhere the same result, and nothing lost on the way."""

import contextlib
import io
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import c2pa
import pytest
from session_worker import sign_and_verify

import provenance
from provenance.credentials import CredentialSession, sign_many
from provenance.credentials.signing import outputs
from provenance.credentials.signing.parallel import remove_leftovers
from provenance.errors import CredentialError, UnreadableError, UserError


class FailingSigner:
    """A key service that is out of order."""

    hosts = ()
    timestamp = None

    def __init__(self, signer):
        self._chain = dict(signer.settings)["key"]

    def native(self):
        def refuse(data):
            raise RuntimeError("out of order")

        with open(self._chain, encoding="ascii") as stream:  # noqa: PTH123
            pem = stream.read()
        chain = pem[pem.index("-----BEGIN CERTIFICATE-----") :]
        return c2pa.Signer.from_callback(refuse, c2pa.C2paSigningAlg.ES256, chain, None)

    def guard(self):
        return contextlib.nullcontext()


@pytest.fixture
def session():
    return CredentialSession(generator="server", model="gan-32")


@pytest.fixture
def source(tmp_path, png):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_from_bytes_to_signed_bytes(png):
    signed = provenance.sign(png, generator="server", model="gan-32")
    credential = provenance.verify(signed)
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert credential.source_type == "trainedAlgorithmicMedia"


def test_the_public_calls_are_light():
    code = (
        "import sys, provenance\n"
        "provenance.sign, provenance.verify\n"
        "print(*sorted({'c2pa', 'numpy', 'pydantic', 'cryptography', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_files_and_bytes_and_words_and_mappings(tmp_path, source, png):
    first = provenance.sign(source, tmp_path / "1.png", recipe={"title": "one"})
    second = provenance.sign(str(source), str(tmp_path / "2.png"), recipe={"title": "x"}, title="2")
    third = provenance.sign(png, tmp_path / "new" / "3.png")
    titles = [provenance.verify(path).statements.title for path in (first, second, third)]
    assert titles == ["one", "2", "3.png"]
    assert source.read_bytes() == png


def test_whom_to_trust_is_said(png, nobody):
    signed = provenance.sign(png)
    assert provenance.verify(signed, trust=nobody).signer == "untrusted"
    assert CredentialSession(trust=nobody).verify(signed).signer == "untrusted"


def test_a_session_trusts_the_root_that_its_keys_were_replaced_by(png, tmp_path, monkeypatch):
    """A server runs on while somebody rotates keys, or takes a list away."""
    from provenance.credentials import config_folder
    from provenance.credentials.keys.authority import rotate_authority

    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path / "config"))
    session = CredentialSession()
    first = session.sign(png)
    assert session.verify(first).signer == "trusted"
    copy = pickle.loads(pickle.dumps(session))
    rotate_authority(config_folder(), root=True)
    for one in (session, copy):
        assert one.verify(one.sign(png)).signer == "trusted"
        assert one.verify(first).signer == "trusted"
    rotate_authority(config_folder(), root=True, forget=True)
    assert session.verify(first).signer == "untrusted"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_bytes_are_bytes(png, kind, tmp_path):
    signed = provenance.sign(kind(png))
    assert provenance.verify(kind(signed)).integrity == "ok"
    assert provenance.sign(kind(png), tmp_path / "a.png") == tmp_path / "a.png"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"source": io.BytesIO(b"x")}, "a path or as bytes, not as a BytesIO"),
        ({"source": None}, "a path or as bytes, not as a NoneType"),
        ({"recipe": "recipe.toml"}, r"Recipe\.read"),
        ({"recipe": 5}, r"Recipe\.read"),
        ({"signer": "pem"}, "load_signer"),
        ({"signer": {"name": "pem"}}, "load_signer"),
    ],
)
def test_slips_of_a_programmer_are_answered(png, words, message):
    with pytest.raises(UserError, match=message):
        provenance.sign(words.pop("source", png), **words)


def test_what_is_no_file_cannot_be_verified():
    with pytest.raises(UserError, match="a path or as bytes"):
        provenance.verify(io.BytesIO(b"x"))


def test_nothing_a_file_holds_is_raised_by_verify(tmp_path):
    assert provenance.verify(tmp_path / "none").error
    assert provenance.verify(b"").integrity == "none"


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [(b"words", UserError, "cannot carry"), (b"", UnreadableError, "empty")],
)
def test_bytes_that_cannot_be_signed(source, error, words):
    with pytest.raises(error, match=words):
        provenance.sign(source)


def test_a_target_is_needed_and_is_never_the_source(source, session):
    with pytest.raises(UserError, match="Say where"):
        session.sign(source)
    with pytest.raises(UserError, match="source itself"):
        session.sign(source, source)
    with pytest.raises(UserError, match="Leave one"):
        session.sign(source, source.with_name("b.png"), in_place=True)
    with pytest.raises(UnreadableError, match="regular file"):
        session.sign(source.parent, source.with_name("b.png"))


def test_in_place_keeps_the_permissions(source, session):
    source.chmod(0o640)
    inode = source.stat().st_ino
    assert session.sign(source, in_place=True) == source
    assert source.stat().st_mode & 0o777 == 0o640
    assert source.stat().st_ino != inode  # a new file took its place
    assert session.verify(source).integrity == "ok"
    assert names(source.parent) == ["a.png"]


def test_in_place_leaves_a_link_what_it_is(source, session):
    link = source.with_name("link.png")
    link.symlink_to(source)
    assert session.sign(link, in_place=True) == link
    assert link.is_symlink()
    assert session.verify(source).integrity == "ok"


def test_large_files_are_streamed(source, session, monkeypatch):
    from provenance.credentials.signing import sources

    monkeypatch.setattr(sources, "IN_MEMORY_BYTES", 100)
    out = session.sign(source, source.with_name("b.png"))
    again = session.sign(out, source.with_name("c.png"))
    assert session.verify(again).library.n_manifests == 2


# --- processes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_session_rebuilds_itself_in_other_processes(session, png, tmp_path, method):
    (tmp_path / "logo.png").write_bytes(png)
    part = {"path": str(tmp_path / "logo.png"), "relationship": "component"}
    session = CredentialSession(session.recipe, ingredients=[part])
    signed = session.sign(png)  # so that there is something native to leave behind
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        theirs, integrity = pool.submit(sign_and_verify, session, signed).result()
    assert integrity == "ok"
    credential = session.verify(theirs)
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert credential.library.n_manifests == 2


def test_a_session_travels_without_what_is_large(session, png, tmp_path):
    (tmp_path / "logo.png").write_bytes(png + bytes(1_000_000))
    part = {"path": str(tmp_path / "logo.png"), "relationship": "component"}
    session = CredentialSession(session.recipe, ingredients=[part])
    session.sign(png)
    assert len(pickle.dumps(session)) < 10_000


# --- nothing is lost ------------------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [False, True])
def test_a_signer_that_fails_leaves_everything_as_it_was(source, signer, png, in_place):
    out = source if in_place else source.with_name("b.png")
    if not in_place:
        out.write_bytes(b"precious")
    before = {path.name: path.read_bytes() for path in source.parent.iterdir()}
    session = CredentialSession(signer=FailingSigner(signer))
    with pytest.raises(CredentialError, match="could not be signed"):
        session.sign(source, None if in_place else out, in_place=in_place)
    assert {path.name: path.read_bytes() for path in source.parent.iterdir()} == before


def _sign_with_little_room(session, source, out):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    with pytest.raises(CredentialError) as caught:
        session.sign(source, out)
    return str(caught.value)


@pytest.mark.parametrize("size", [100, 1 << 24])
def test_a_full_disk_leaves_everything_as_it_was(source, session, png, monkeypatch, size):
    """In memory and streamed; the file may not grow beyond what is left."""
    from provenance.credentials.signing import sources

    monkeypatch.setattr(sources, "IN_MEMORY_BYTES", size)
    out = source.with_name("b.png")
    out.write_bytes(b"precious")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        message = pool.submit(_sign_with_little_room, session, source, out).result()
    assert "Cannot write" in message or "could not be signed" in message
    assert out.read_bytes() == b"precious"
    assert names(source.parent) == ["a.png", "b.png"]


def test_a_pipe_or_device_is_never_replaced_by_a_file(source, session, png):
    pipe = source.with_name("pipe")
    os.mkfifo(pipe)
    for words in ({}, {"sidecar": True}):
        with pytest.raises(CredentialError, match="no regular file"):
            CredentialSession(session.recipe, **words).sign(source, pipe)
    with pytest.raises(CredentialError, match="no regular file"):
        session.sign(png, pipe)
    assert pipe.is_fifo()
    assert names(source.parent) == ["a.png", "pipe"]


def _sign_and_be_killed(session, source):
    outputs.Pending.flush = lambda self: os.kill(os.getpid(), signal.SIGKILL)
    session.sign(source, in_place=True)


def test_a_killed_process_leaves_the_file_and_the_rest_is_cleared(source, session, png):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        killed = pool.submit(_sign_and_be_killed, session, source)
        with pytest.raises(BrokenProcessPool):
            killed.result()
    assert source.read_bytes() == png
    assert len(names(source.parent)) == 2
    assert remove_leftovers(source.parent) == 1
    assert names(source.parent) == ["a.png"]


def test_of_two_files_the_second_may_fail_after_the_first_was_written_aside(source, session, png):
    sidecars = CredentialSession(session.recipe, sidecar=True)
    with pytest.raises(CredentialError, match="Cannot write"):
        sidecars.sign(source, source / "below" / "b.png")
    (source.parent / "b.png").mkdir()
    with pytest.raises((CredentialError, UserError)):
        sidecars.sign(source, source.parent / "b.png")
    assert names(source.parent) == ["a.png", "b.png"]


# --- many files -----------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path, png):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(20):
        (folder / f"{n:02}.png").write_bytes(png)
    (folder / "03.png").write_text("words")
    (folder / "05.png").write_bytes(b"")
    (folder / "07.png").write_bytes(png[: len(png) // 2])
    (folder / "09.png").write_bytes(provenance.sign(png))
    return [(path, tmp_path / "out" / path.name) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_files_cost_only_themselves(pairs, session, jobs):
    rows = list(sign_many(pairs, session, jobs=jobs))
    assert [row.path for row in rows] == [path for path, _ in pairs]
    states = {row.path.stem: row.state for row in rows if row.state != "signed"}
    assert states == {"03": "unsupported", "05": "failed", "07": "failed"}
    assert {row.path.stem for row in rows if row.parent_kept} == {"09"}
    assert all(not row.pending and (row.reason is None) == (row.state == "signed") for row in rows)
    for row in rows:
        assert row.out.exists() == (row.state == "signed")
        assert row.state != "signed" or session.verify(row.out).integrity == "ok"
    assert not any(path.name.startswith(".") for path in pairs[0][1].parent.iterdir())


def test_a_run_goes_on_where_it_stood(pairs, session):
    first = next(sign_many(pairs, session))
    changed = first.out.stat().st_mtime_ns
    rows = list(sign_many(pairs, session, resume=True))
    assert rows[0].state == "skipped"
    assert first.out.stat().st_mtime_ns == changed
    assert [row.state for row in rows].count("signed") == 20 - 3 - 1


def test_a_run_that_is_stopped_leaves_nothing_half_done(pairs, session):
    rows = sign_many(pairs, session)
    next(rows)
    rows.close()
    left = names(pairs[0][1].parent)
    assert left
    assert not any(name.startswith(".tmp-") for name in left)
    assert all(session.verify(pairs[0][1].parent / name).integrity == "ok" for name in left)


@pytest.mark.parametrize("flushed", [True, False])
def test_many_files_are_flushed_at_once_or_one_by_one(pairs, session, monkeypatch, flushed):
    single = []
    monkeypatch.setattr(outputs, "_syncfs", lambda path: flushed)
    monkeypatch.setattr(outputs, "_FEW", 0)
    monkeypatch.setattr(outputs.Pending, "flush", lambda self: single.append(self))
    rows = list(sign_many(pairs, session))
    n_signed = sum(row.state == "signed" for row in rows)
    assert n_signed == 17
    assert len(single) == (0 if flushed else n_signed)


def test_the_file_system_is_flushed(tmp_path):
    (tmp_path / "a").write_text("a")
    assert outputs._syncfs(tmp_path / "a") is True


def test_a_name_that_is_taken_is_that_rows_failure(pairs, session):
    (pairs[0][1]).mkdir(parents=True)
    rows = list(sign_many(pairs[:3], session))
    assert [row.state for row in rows] == ["failed", "signed", "signed"]
    assert "Cannot write" in rows[0].reason


def test_two_files_never_share_a_sidecar(pairs, session, png):
    sidecars = CredentialSession(session.recipe, sidecar=True)
    (pairs[0][0].with_suffix(".jpg")).write_bytes(png)
    both = [pairs[0], (pairs[0][0].with_suffix(".jpg"), pairs[0][1].with_suffix(".jpg"))]
    with pytest.raises(UserError, match="the same sidecar"):
        list(sign_many(both, sidecars))
