"""Fake installed distributions: a module and its metadata in a folder on the path, without pip."""

from pathlib import Path
from textwrap import dedent


def install(
    folder: Path, name: str, source: str, *, entry_point: str | None = None, version: str = "1.0"
) -> None:
    """Write distribution ``name`` with one module into ``folder`` (to be put on ``sys.path``)."""
    module = name.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    metadata = folder / f"{module}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(
        f"[provenance]\n{entry_point or module} = {module}\n", encoding="utf-8"
    )
