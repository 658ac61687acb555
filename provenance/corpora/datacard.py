"""The README of a corpus: what is in it, what it may be used for, how to load it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from provenance.corpora.schema import HEADER_FILE, ROWS_FILE, Row

_SPLITS = ("train", "validation", "calibration", "test")
_MOST_CLASSES = 20


def data_card(header: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the corpus's README: for people, with a front matter for Hugging Face.

    Args:
        header: Of the corpus.
        rows: Of its files.
    """
    counts = header["counts"]
    splits = ", ".join(f"{name} {number}" for name, number in counts["split"].items())
    parts = [
        _front_matter(header),
        "# A labelled corpus of real and synthetic media",
        f"Written by {_code(header['command'])} (provenance {header['code_version']}, "
        f"{header['created']}). One line of `{ROWS_FILE}` describes each file; the column `split` "
        f"says what it may be used for ({splits}). Splits were made by photograph before any "
        f"generator was trained.",
        _generators(header),
        _classes(rows),
        "## Loading\n\n" + _loading(header),
        "## What to mind",
        "All files left through one encoder. Synthetic files may carry a C2PA manifest, which "
        "gives the label away by design: train detectors on decoded content only. Licences of the "
        f"real items and hashes of the generators' weights stand in `{HEADER_FILE}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(header: Mapping[str, Any]) -> str:
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    if header.get("shards"):
        for split in _present(header):
            lines += [f"  - split: {split}", f"    path: {split}-*.tar"]
    else:
        lines += ["  - split: train", f'    path: [{ROWS_FILE}, "real/**", "synthetic/**"]']
    return "\n".join([*lines, "---"])


def _present(header: Mapping[str, Any]) -> list[str]:
    found = {shard["split"] for shard in header["shards"]}
    return [split for split in _SPLITS if split in found]


def _generators(header: Mapping[str, Any]) -> str:
    counts = header["counts"]
    lines = [
        "| files | number | plugin | preset | variant | members |",
        "|---|---|---|---|---|---|",
    ]
    lines.append(f"| real | {counts['label'].get('real', 0)} | | | | |")
    for one in header["generators"]:
        drawn = one.get("variant") or {}
        variant = ", ".join(f"{name} {value}" for name, value in drawn.items())
        members = ", ".join(one.get("members") or ())
        words = (f"{one['plugin']} {one['version']}", one.get("preset") or "", variant, members)
        number = counts["generator"].get(one["name"], 0)
        lines.append(f"| {one['name']} | {number} | {' | '.join(map(_cell, words))} |")
    return "\n".join(lines)


def _classes(rows: Sequence[Row]) -> str:
    """Return the classes and how many files have each; the commonest where there are many."""
    found = Counter(row.category for row in rows if row.category is not None)
    if not found:
        return ""
    told = ", ".join(f"{_cell(name)} {number}" for name, number in found.most_common(_MOST_CLASSES))
    more = f", and {len(found) - _MOST_CLASSES} more" if len(found) > _MOST_CLASSES else ""
    return f"Classes (column `class`): {told}{more}."


def _loading(header: Mapping[str, Any]) -> str:
    if not header.get("shards"):
        return _block(
            "from datasets import load_dataset",
            "",
            'files = load_dataset("imagefolder", data_dir="corpus")["train"]',
            'test = files.filter(lambda row: row["split"] == "test")',
        )
    shards = header["shards"]
    last = sum(shard["split"] == _present(header)[0] for shard in shards) - 1
    first = _present(header)[0]
    return (
        f"{len(shards)} WebDataset shards, named by split; each file lies beside its row. Their "
        f"SHA-256 stand in `{HEADER_FILE}`.\n\n"
        + _block(
            "import webdataset",
            "",
            f'urls = "corpus/{first}-{{000000..{last:06d}}}.tar"',
            'pairs = webdataset.WebDataset(urls).decode("rgb8").to_tuple("png", "json")',
            "",
            "from datasets import load_dataset",
            "",
            f'files = load_dataset("webdataset", data_files="corpus/{first}-*.tar")',
        )
    )


def _block(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _code(text: str) -> str:
    """Return text as code, in as many back-ticks as it needs; it may hold any name of a folder."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"


def _cell(text: Any) -> str:
    """Return text that stays in its cell: no markup, no line, no code of a terminal."""
    plain = "".join(c if c.isprintable() else "?" for c in str(text))
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", plain)
