"""A corpus is checked when it is opened, and read lazily."""

import json
import shutil

import numpy as np
import pytest

from provenance import Label, Split, Step, UserError
from provenance.corpora import open_corpus
from provenance.corpora.schema import Row


@pytest.fixture
def copy(corpus_folder, tmp_path):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus_folder, folder)
    return folder


def rewrite(folder, change):
    path = folder / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))


def test_rows_have_designs_keys_in_designs_order(corpus_folder):
    line = (corpus_folder / "metadata.jsonl").read_text().splitlines()[0]
    design = (
        "file_name sha256 kind label generator generator_version checkpoint seed class parent "
        "step split manifest"
    )
    assert list(json.loads(line)) == [*design.split(), "group", "member"]


def test_splits_never_share_a_photograph(corpus):
    splits = {}
    for row in corpus.rows:
        if row.step is not Step.SAMPLE:
            splits.setdefault(row.parent.partition("/")[0], set()).add(row.split)
    assert len(splits) >= 11
    assert all(len(found) == 1 for found in splits.values())
    assert splits["motorcycle_left"] == splits["motorcycle_right"]


def test_select_gives_decoded_items_of_one_split(corpus):
    items = corpus.select(split=Split.TEST)
    assert {item.split for item in items} == {Split.TEST}
    assert {item.step for item in items} == set(Step)
    first = items[0]
    assert first.label is Label.REAL
    assert first.media.id.startswith("real/")
    assert first.media.data.shape == (16, 16, 3)
    assert first.media.data.dtype == np.uint8
    assert items[0].media.data is first.media.data  # decoded once
    assert [item.media.id for item in items[:2]] == [items[0].media.id, items[1].media.id]


def test_select_leaves_a_generator_out(corpus):
    items = corpus.select(split=Split.TRAIN, without_generator="tint")
    assert {item.generator for item in items} == {None, "plain"}


def test_aligned_items_follow_their_parent(corpus):
    items = {row.file_name: row for row in corpus.rows}
    real = items["real/00003.png"]
    made = items["synthetic/tint/reconstruction/00003.png"]
    assert (made.parent, made.group, made.split) == (real.parent, real.group, real.split)
    pair = [corpus.load(row).media.data for row in (real, made)]
    assert np.array_equal(pair[0] // 8 * 8, pair[1])


def test_one_class_per_source(corpus):
    for row in corpus.rows:
        assert (row.label is Label.REAL) == (row.generator is None) == (row.manifest is None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:0], "no rows"),
        (lambda rows: [*rows, rows[0]], "1 files twice"),
        (lambda rows: [rows[0] | {"split": "holdout"}], "line 1: split"),
        (lambda rows: [rows[0] | {"label": "fake"}], "line 1: label"),
        (lambda rows: [rows[0] | {"file_name": "../secret.png"}], "does not stay"),
        (lambda rows: [rows[0] | {"file_name": "/etc/passwd"}], "does not stay"),
        (lambda rows: [rows[0] | {"sha256": "ab"}], "sha256"),
        (lambda rows: [rows[0] | {"file_name": "real/none.png"}], "1 files are missing, real/none"),
        (lambda rows: [{k: v for k, v in rows[0].items() if k != "step"}], "line 1: step"),
        (lambda rows: [[1]], "is not a JSON object"),
        (
            lambda rows: (
                [rows[0], rows[1] | {"group": rows[0]["group"], "split": "train"}]
                if rows[0]["split"] != "train"
                else [rows[0], rows[1] | {"group": rows[0]["group"], "split": "test"}]
            ),
            "is in the splits",
        ),
    ],
)
def test_a_damaged_index_is_refused(change, message, copy):
    rewrite(copy, change)
    with pytest.raises(UserError, match=message):
        open_corpus(copy)


@pytest.mark.parametrize("text", ["not json\n", '{"file_name": \n', "\x00\n", "[" * 100_000])
def test_a_bad_line_is_named_by_number(text, copy):
    path = copy / "metadata.jsonl"
    path.write_text(path.read_text() + text)
    count = len(path.read_text().splitlines())
    with pytest.raises(UserError, match=f"line {count}"):
        open_corpus(copy)


def test_a_missing_file_is_named(copy):
    (copy / "real" / "00005.png").unlink()
    with pytest.raises(UserError, match=r"real/00005\.png"):
        open_corpus(copy)


def test_a_changed_file_is_noticed_when_it_is_read(copy):
    shutil.copyfile(copy / "real" / "00001.png", copy / "real" / "00000.png")
    corpus = open_corpus(copy)
    with pytest.raises(UserError, match="has changed"):
        corpus.load(corpus.rows[0])


def test_what_is_no_corpus_says_how_to_make_one(tmp_path, copy):
    with pytest.raises(UserError, match="provenance generate"):
        open_corpus(tmp_path / "nowhere")
    for text in ("{", "[" * 200_000):
        (copy / "corpus.json").write_text(text)
        with pytest.raises(UserError, match="not JSON"):
            open_corpus(copy)
    (copy / "corpus.json").write_text('{"schema_version": 99}')
    with pytest.raises(UserError, match="version is 99"):
        open_corpus(copy)


def test_rows_are_immutable():
    assert Row.__dataclass_params__.frozen


@pytest.mark.parametrize("key", ["group", "parent"])
def test_what_belongs_together_is_never_in_two_splits(key, copy):
    """Also where only one of the two keys says that it does."""

    def change(rows):
        made = next(row for row in rows if row["step"] == "reconstruction")
        other = {"group": "parent", "parent": "group"}[key]
        made["split"] = "test" if made["split"] != "test" else "train"
        made[other] = None
        return rows

    rewrite(copy, change)
    with pytest.raises(UserError, match=f"the {key} .* is in the splits"):
        open_corpus(copy)
