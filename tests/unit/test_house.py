"""The house keeps its shape: layout, layers, public names, sizes of files."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import provenance

FOUR = ("datasets", "generators", "plugins", "tests")
TOP_LEVEL = {
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "datasets", "generators",
    "plugins", "provenance", "pyproject.toml", "tests",
}  # fmt: skip
OUTSIDE = ("generators", "plugins", "datasets")
LIGHT = (
    "torch", "cv2", "timm", "sklearn", "skimage", "c2pa", "cryptography", "matplotlib", "PIL",
    "numpy", "pkcs11", "pydantic",
)  # fmt: skip
MAX_LINES = 400


def tracked(root: Path) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    return [root / name for name in names.split("\0") if name and (root / name).is_file()]


@pytest.fixture(scope="module")
def sources(root):
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    return [path for path in tracked(root) if path.suffix == ".py"]


@pytest.mark.parametrize("folder", FOUR)
def test_top_folders_shadow_nobody(root, folder):
    assert not (root / folder / "__init__.py").exists()


def test_nothing_else_at_the_top_level(root):
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    names = {path.relative_to(root).parts[0] for path in tracked(root)}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_layers(root):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_files_stay_readable(sources, root):
    long = {
        str(path.relative_to(root)): lines
        for path in sources
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert not long


def outside_modules(root):
    for folder in OUTSIDE:
        yield from (root / folder).glob("provenance_*/**/*.py")


def test_plugins_import_only_public_names(root):
    """``from provenance[.sub] import name`` with ``name`` in ``__all__``, and nothing deeper."""
    wrong = []
    for path in outside_modules(root):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            if node.module.split(".")[0] != "provenance":
                continue
            package = __import__(node.module, fromlist=["__all__"])
            public = getattr(package, "__all__", ())
            wrong += [
                f"{path.relative_to(root)}: {node.module}.{alias.name}"
                for alias in node.names
                if alias.name not in public
            ]
    assert not wrong


def test_importing_a_plugin_is_light(root):
    """In a fresh process: every entry point of ours is loaded, and nothing heavy comes with it."""
    code = (
        "import sys\n"
        "from provenance.plugins import Registry\n"
        "registry = Registry({'PROVENANCE_STRICT_PLUGINS': '1',\n"
        "                     'PROVENANCE_LOAD_PLUGINS': 'provenance-suite'})\n"
        "registry.ask_all()\n"
        "assert registry.detectors and registry.generators and registry.datasets\n"
        "assert registry.evidence and registry.signers\n"
        f"print(*sorted(set({LIGHT!r}) & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_every_public_name_exists():
    assert [name for name in provenance.__all__ if not hasattr(provenance, name)] == []
    assert set(provenance._EXPORTS) == set(provenance.__all__) - {"__version__"}


@pytest.mark.parametrize(
    "package",
    [
        "corpora",
        "credentials",
        "detection",
        "media",
        "quality",
        "reports",
        "scanning",
        "testing",
        "training",
        "workers",
    ],
)
def test_every_public_name_of_a_package_exists(package):
    module = __import__(f"provenance.{package}", fromlist=["__all__"])
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_hooks_keep_their_signatures():
    """A change here is a change of the plugin API: think of API_VERSION and of the CHANGELOG."""
    import inspect

    from provenance import hookspecs

    hooks = {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if name.startswith("register_")
    }
    assert hooks == {
        "register_datasets": ["register"],
        "register_detectors": ["register"],
        "register_evidence": ["register"],
        "register_generators": ["register"],
        "register_signers": ["register"],
    }
    assert provenance.API_VERSION == 1
