"""The development CA: private, clearly named, renewed, and made once however many ask."""

import datetime
import multiprocessing
import pickle
import subprocess
import sys

import pytest
from cryptography import x509

from provenance.credentials import (
    development_signer,
    load_trust_anchors,
    read_credential,
    sign_bytes,
)
from provenance.credentials.keys import authority, certificates
from provenance.errors import CredentialError, UserError


@pytest.fixture
def folder(tmp_path):
    development_signer(tmp_path)
    return tmp_path / authority.FOLDER


def certificate(path):
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def mode(path):
    return path.stat().st_mode & 0o777


def test_keys_are_private(folder):
    assert mode(folder) == 0o700
    assert mode(folder / authority.ROOT) == mode(folder / authority.LEAF) == 0o600
    for path in folder.iterdir():
        assert (b"PRIVATE KEY" in path.read_bytes()) == (path.name in ("root.pem", "leaf.pem"))


@pytest.mark.parametrize("open_mode", [0o644, 0o640, 0o604, 0o660])
@pytest.mark.parametrize("name", [authority.ROOT, authority.LEAF])
def test_a_key_that_others_can_read_is_refused_with_a_remedy(
    folder, png, manifest, name, open_mode
):
    (folder / name).chmod(open_mode)
    if name == authority.ROOT:
        (folder / authority.LEAF).unlink()  # the root is read when a leaf is made
    with pytest.raises(CredentialError, match="chmod 600"):
        sign_bytes(png, "image/png", manifest, development_signer(folder.parent))


def test_a_folder_that_others_can_look_into_is_refused_with_a_remedy(folder):
    folder.chmod(0o755)
    with pytest.raises(CredentialError, match="chmod 700"):
        development_signer(folder.parent)


def test_an_unwritable_config_folder_names_the_variable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CredentialError, match="PROVENANCE_CONFIG_DIR"):
        development_signer(tmp_path / "file")


def test_names_say_what_it_is(folder):
    for name in (authority.ROOT, authority.LEAF, authority.ANCHOR):
        subject = certificate(folder / name).subject.rfc4514_string()
        assert "Development CA" in subject
        assert "not for production" in subject


def test_the_leaf_lives_at_most_a_year_and_cannot_sign_certificates(folder):
    leaf = certificate(folder / authority.LEAF)
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert life <= datetime.timedelta(days=365)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_leaf_near_its_end_is_renewed_and_the_root_stays(tmp_path, png, manifest, monkeypatch):
    monkeypatch.setattr(certificates, "LEAF_DAYS", certificates.RENEW_DAYS - 1)
    old = development_signer(tmp_path)
    leaf = tmp_path / authority.FOLDER / authority.LEAF
    before = certificate(leaf)
    early = tmp_path / "early.png"
    early.write_bytes(sign_bytes(png, "image/png", manifest, old))
    monkeypatch.undo()

    new = development_signer(tmp_path)
    late = tmp_path / "late.png"
    late.write_bytes(sign_bytes(png, "image/png", manifest, new))
    assert certificate(leaf).serial_number != before.serial_number
    trust = load_trust_anchors([authority.anchor_path(tmp_path)])
    assert [read_credential(p, None, trust).signer for p in (early, late)] == ["trusted"] * 2
    assert development_signer(tmp_path) == new  # and it is not renewed again
    after = certificate(leaf)
    development_signer(tmp_path)
    assert certificate(leaf) == after


def test_what_a_kill_left_missing_is_made_again_under_the_same_root(folder):
    root = (folder / authority.ROOT).read_bytes()
    for name in (authority.LEAF, authority.ANCHOR):
        (folder / name).unlink()
        development_signer(folder.parent)
        assert (folder / name).exists()
    assert (folder / authority.ROOT).read_bytes() == root


def test_a_damaged_key_says_what_to_do(folder):
    (folder / authority.LEAF).write_text("garbage")
    with pytest.raises(CredentialError, match="provenance keys rotate"):
        development_signer(folder.parent)


def test_a_key_of_another_certificate_is_refused(folder, tmp_path):
    other = certificates.make_root()
    mixed = other.key_pem() + certificates.certificates_pem(certificate(folder / authority.LEAF))
    (folder / authority.LEAF).write_bytes(mixed)
    with pytest.raises(CredentialError, match="does not belong"):
        development_signer(folder.parent)


def test_processes_that_start_together_make_one_authority(tmp_path):
    code = (
        "import sys, hashlib, pathlib\n"
        "from provenance.credentials.keys.authority import ensure_authority\n"
        "path = ensure_authority(pathlib.Path(sys.argv[1]))\n"
        "print(hashlib.sha256(path.read_bytes()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0] for process in processes}
    assert {process.returncode for process in processes} == {0}
    assert len(answers) == 1


def test_a_signer_travels_without_its_key(signer):
    data = pickle.dumps(signer)
    assert b"PRIVATE" not in data
    assert pickle.loads(data) == signer


def _sign(signer, png, manifest, queue):
    queue.put(sign_bytes(png, "image/png", manifest, signer))


def test_a_forked_process_builds_its_own_native_objects(signer, png, manifest, anchors, tmp_path):
    sign_bytes(png, "image/png", manifest, signer)  # the parent has used its own already
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_sign, args=(signer, png, manifest, queue))
    child.start()
    path = tmp_path / "child.png"
    path.write_bytes(queue.get())
    child.join()
    assert read_credential(path, None, anchors).signer == "trusted"


def test_a_root_near_its_end_says_to_rotate(folder, monkeypatch):
    (folder / authority.LEAF).unlink()
    monkeypatch.setattr(certificates, "is_fresh", lambda *arguments, **options: False)
    with pytest.raises(CredentialError, match=r"keys rotate --root"):
        development_signer(folder.parent)


def test_a_layout_of_an_earlier_version_keeps_working(tmp_path, png, manifest):
    """Three files, and a root that allows no authority below it."""
    folder = tmp_path / authority.FOLDER
    root = certificates.make_root()
    leaf = certificates.make_leaf(root)
    folder.mkdir(mode=0o700)
    (folder / authority.ROOT).write_bytes(root.to_pem())
    (folder / authority.LEAF).write_bytes(leaf.to_pem(root.certificate))
    (folder / authority.ANCHOR).write_bytes(certificates.certificates_pem(root.certificate))
    for name in (authority.ROOT, authority.LEAF):
        (folder / name).chmod(0o600)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    sign_bytes(png, "image/png", manifest, development_signer(tmp_path))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def signed(config, png, manifest, name):
    path = config / name
    path.write_bytes(sign_bytes(png, "image/png", manifest, development_signer(config)))
    return path


def judged(config, path):
    return read_credential(path, None, load_trust_anchors([authority.anchor_path(config)])).signer


def test_rotation_keeps_old_files_trusted(tmp_path, png, manifest):
    old = signed(tmp_path, png, manifest, "old.png")
    authority.rotate_authority(tmp_path)
    middle = signed(tmp_path, png, manifest, "middle.png")
    for _ in range(2):
        authority.rotate_authority(tmp_path, root=True)
    new = signed(tmp_path, png, manifest, "new.png")
    assert [judged(tmp_path, path) for path in (old, middle, new)] == ["trusted"] * 3
    roots = authority.root_certificates(tmp_path / authority.FOLDER)
    assert len(roots) == 3
    assert roots[0] == certificate(tmp_path / authority.FOLDER / authority.ROOT)


def test_a_stolen_root_can_be_forgotten(tmp_path, png, manifest):
    old = signed(tmp_path, png, manifest, "old.png")
    authority.rotate_authority(tmp_path, root=True, forget=True)
    new = signed(tmp_path, png, manifest, "new.png")
    assert [judged(tmp_path, path) for path in (old, new)] == ["untrusted", "trusted"]
    authority.rotate_authority(tmp_path, root=True)
    authority.rotate_authority(tmp_path, forget=True)
    assert judged(tmp_path, new) == "untrusted"
    assert len(authority.root_certificates(tmp_path / authority.FOLDER)) == 1


def test_replaced_keys_are_destroyed(folder):
    secrets = {path: path.read_bytes() for path in folder.glob("*.pem")}
    authority.rotate_authority(folder.parent, root=True)
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    for name in (authority.ROOT, authority.LEAF):
        key = secrets[folder / name].partition(b"-----END PRIVATE KEY-----")[0]
        assert key not in held


def test_with_an_intermediate_the_roots_key_can_be_kept_elsewhere(tmp_path, png, manifest):
    folder = authority.create_authority(tmp_path, intermediate=True)
    early = signed(tmp_path, png, manifest, "early.png")
    root = (folder / authority.ROOT).read_bytes()
    (folder / authority.ROOT).unlink()
    authority.rotate_authority(tmp_path)
    late = signed(tmp_path, png, manifest, "late.png")
    assert [judged(tmp_path, path) for path in (early, late)] == ["trusted"] * 2
    assert mode(folder / authority.INTERMEDIATE) == 0o600

    with pytest.raises(CredentialError, match="Put it back"):
        authority.rotate_authority(tmp_path, intermediate=False)
    (folder / authority.ROOT).write_bytes(root)
    (folder / authority.ROOT).chmod(0o600)
    authority.rotate_authority(tmp_path, intermediate=False)
    assert not (folder / authority.INTERMEDIATE).exists()
    assert judged(tmp_path, signed(tmp_path, png, manifest, "last.png")) == "trusted"


def test_an_intermediate_near_its_end_is_renewed(tmp_path, png, manifest, monkeypatch):
    monkeypatch.setattr(certificates, "INTERMEDIATE_DAYS", 300)
    folder = authority.create_authority(tmp_path, intermediate=True)
    monkeypatch.undo()
    before = certificate(folder / authority.INTERMEDIATE)
    authority.rotate_authority(tmp_path)
    assert certificate(folder / authority.INTERMEDIATE) != before
    assert judged(tmp_path, signed(tmp_path, png, manifest, "a.png")) == "trusted"


def test_a_missing_root_is_never_replaced_in_silence(folder):
    (folder / authority.ROOT).unlink()
    (folder / authority.LEAF).unlink()
    with pytest.raises(CredentialError, match=r"keys rotate --root"):
        development_signer(folder.parent)
    authority.rotate_authority(folder.parent, root=True)
    assert len(authority.root_certificates(folder)) == 2


@pytest.mark.parametrize("name", [authority.ROOT, authority.LEAF, authority.ANCHOR])
def test_rotation_mends_a_damaged_file(tmp_path, png, manifest, name):
    old = signed(tmp_path, png, manifest, "old.png")
    damaged = tmp_path / authority.FOLDER / name
    damaged.write_text("-----BEGIN CERTIFICATE-----\ngarbage\n")
    authority.rotate_authority(tmp_path, root=True)
    new = signed(tmp_path, png, manifest, "new.png")
    assert [judged(tmp_path, path) for path in (old, new)] == ["trusted"] * 2


@pytest.mark.parametrize("fatal", range(1, 5))
def test_a_kill_during_rotation_leaves_old_files_trusted(
    tmp_path, png, manifest, monkeypatch, fatal
):
    old = signed(tmp_path, png, manifest, "old.png")
    written = []
    write = authority.write_atomic

    def dying(path, data, **options):
        written.append(path)
        if len(written) == fatal:
            raise KeyboardInterrupt
        write(path, data, **options)

    monkeypatch.setattr(authority, "write_atomic", dying)
    with pytest.raises(KeyboardInterrupt):
        authority.rotate_authority(tmp_path, root=True)
    monkeypatch.undo()
    assert judged(tmp_path, old) == "trusted"
    between = signed(tmp_path, png, manifest, "between.png")
    assert judged(tmp_path, between) == "trusted"
    authority.rotate_authority(tmp_path, root=True)
    new = signed(tmp_path, png, manifest, "new.png")
    assert [judged(tmp_path, path) for path in (old, between, new)] == ["trusted"] * 3


def test_a_second_authority_is_not_made_over_the_first(folder):
    with pytest.raises(UserError, match="keys rotate"):
        authority.create_authority(folder.parent)


def test_there_must_be_an_authority_to_rotate(tmp_path):
    with pytest.raises(UserError, match="keys init"):
        authority.rotate_authority(tmp_path)
