"""A map over items in processes: in order, lazy, flat, and each item pays for itself alone."""

import collections
import contextlib
import functools
import itertools
import logging
import sys

import click
import psutil
import pytest
from click.testing import CliRunner

from provenance.errors import ProvenanceError, UserError
from provenance.workers import Work, WorkerPool, map_in_workers

from .conftest import workers_of

ENDED = "ended the process that worked on it"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")


def test_results_come_in_the_order_of_the_items(run):
    items = [0.2 if i % 40 == 0 else i for i in range(200)]
    assert list(run(items, jobs=3)) == [i if isinstance(i, float) else 2 * i for i in items]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_items(run, jobs, count):
    assert list(run(range(count), jobs=jobs)) == [2 * i for i in range(count)]


@pytest.mark.parametrize("options", [{"jobs": 0}, {"chunk": 0}])
def test_nobody_to_work_or_nothing_to_hold_is_refused(run, options):
    with pytest.raises(ValueError, match="do no work"):
        list(run([1], **options))


def test_one_item_at_a_time(run):
    assert list(run(range(5), chunk=1)) == [0, 2, 4, 6, 8]


def test_none_is_an_item_and_a_result_like_any_other(run):
    assert list(run(["none", 1, "none"], jobs=1)) == [None, 2, None]


@pytest.mark.parametrize("chunk", [1, 4])
def test_the_source_is_read_as_results_are_taken(run, chunk):
    taken = 0

    def source():
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield number

    with contextlib.closing(run(source(), jobs=2, chunk=chunk)) as results:
        for told in range(300):
            assert next(results) == 2 * told
            assert taken - told <= 8 * 2 * chunk


def test_a_slow_item_does_not_let_the_others_run_away(run):
    taken = 0

    def source():
        nonlocal taken
        yield 0.8
        while True:
            taken += 1
            yield taken

    with contextlib.closing(run(source(), jobs=2, chunk=4)) as results:
        assert next(results) == 0.8
        assert taken < 64


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("segv", f"{ENDED} (SIGSEGV)"),
        ("kill", f"{ENDED} (SIGKILL, as the system does when memory runs out)"),
        ("real-time", f"{ENDED} (signal 40)"),
        ("leave", f"{ENDED} (exit code 0)"),
        ("hang", "took longer than the limit of 0.5 s"),
        ("spin", "took longer than the limit of 0.5 s"),
        pytest.param("eat", "needs more memory than the limit of 64 MiB", marks=linux_only),
        ("raise", "LookupError: on purpose"),
        ("ours", "A fact. A remedy."),
        ("exit", "SystemExit: 3"),
        ("unreadable", "has a result that cannot be read (ValueError('not again'))"),
    ],
)
def test_an_item_costs_itself_alone_and_none_is_done_twice(run, functions, tmp_path, word, reason):
    words = [1, 2, word, 3, 4, 5, word, *range(6, 30)]
    make = functools.partial(functions.make_noting, tmp_path)
    results = list(run(enumerate(words), make=make, jobs=1, item_s=0.5, worker_bytes=64 << 20))
    lost = {(2, word): reason, (6, word): reason}
    assert [result for result in results if isinstance(result, tuple)] == list(lost.items())
    assert [r for r in results if isinstance(r, int)] == [2 * w for w in words if w != word]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"x"}
    assert len(list(tmp_path.iterdir())) == len(words)


def test_a_result_that_cannot_be_pickled_is_lost(run):
    ((item, reason), two) = run(["lambda", 1], jobs=1)
    assert (item, two) == ("lambda", 2)
    assert "lambda" in reason


def test_nothing_but_losses_is_survived(run):
    assert [item for item, _ in run(["leave"] * 7, jobs=2)] == ["leave"] * 7


def test_what_lost_raises_ends_the_run(run):
    def refuse(item, reason):
        raise UserError(f"{item} {reason}")

    with pytest.raises(UserError, match=r"raise LookupError: on purpose"):
        list(run([1, "raise", 2], lost=refuse))
    assert not workers_of()


def test_items_and_results_larger_than_any_pipe(run):
    """Both directions full at once: whoever waits for the other end waits for ever."""
    items = [bytes([i]) + bytes(3 << 20) for i in range(8)]
    assert [result[-1] for result in run(items, jobs=1, chunk=4)] == list(range(8))


def test_a_worker_is_replaced_after_its_share(functions):
    work = Work(functions.make, 30.0, most_items=10)
    processes = collections.Counter()
    with contextlib.closing(WorkerPool(work, 1, lambda item, reason: reason, most_held=4)) as pool:
        given = 0
        while processes.total() < 35:
            while given < 35 and pool.has_room:
                pool.submit(given, "pid")
                given += 1
            processes.update(process for _, process in pool.collect(1.0))
    assert list(processes.values()) == [10, 10, 10, 5]


def test_a_worker_that_says_so_is_replaced(run):
    first, second, third = run(["last", "pid", "pid"], jobs=1)
    assert first != second == third


def test_memory_stays_flat_over_many_items(run):
    """20,000 items, through workers that are replaced; 4,000 more are warm-up."""
    results = run(iter(range(24_000)), jobs=1)
    for _ in range(4_000):
        next(results)
    before = psutil.Process().memory_info().rss
    assert sum(1 for _ in results) == 20_000
    assert psutil.Process().memory_info().rss - before < 4 << 20


def test_closing_early_ends_the_workers(run):
    results = run([1, "hang", "spin"], jobs=2)
    assert next(results) == 2
    workers = workers_of()
    assert len(workers) == 2
    results.close()
    assert not psutil.wait_procs(workers, timeout=5)[1]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (UserError("The key is unreadable."), UserError, r"^The key is unreadable\.$"),
        (KeyError("no"), ProvenanceError, r"cannot do their work \(KeyError: 'no'\)"),
        (SystemExit(1), ProvenanceError, r"cannot do their work \(SystemExit: 1\)"),
    ],
)
def test_a_function_that_cannot_be_made_is_raised_here(run, functions, error, kind, message):
    make = functools.partial(functions.make_nothing, error)
    with pytest.raises(kind, match=message):
        list(run([1], make=make))
    assert not workers_of()


def test_an_item_that_cannot_be_pickled_is_raised_here(run):
    with pytest.raises(Exception, match="lambda"):
        list(run([lambda: None]))
    assert not workers_of()


def test_workers_print_nothing_and_read_nothing(run, capfd):
    assert list(run(["print", "stdin"], jobs=1)) == ["printed", b""]
    assert capfd.readouterr() == ("", "")


def test_workers_compute_with_one_thread_each(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert list(run(["threads"])) == ["1"]


def test_what_workers_log_is_logged_here(run, functions, caplog):
    caplog.set_level(logging.INFO, "provenance")
    logging.getLogger("provenance").addHandler(caplog.handler)
    list(run(["warn", 1, "warn", 0.3, 0.3], make=functions.make_warning, jobs=2))
    texts = [(r.name, r.levelname, r.getMessage()) for r in caplog.records if "made" in r.message]
    assert set(texts) == {("provenance.tests", "WARNING", "made")}
    of_items = [r for r in caplog.records if "of an item" in r.message]
    assert {r.getMessage() for r in of_items} == {"of an item: \x1b[2J"}


def test_few_items_may_be_worked_on_here(run):
    def refuse(item):
        raise LookupError(item)

    results = run([1, 2], make=lambda: refuse, few=2)  # nothing here could be pickled
    assert list(results) == [(1, "LookupError: 1"), (2, "LookupError: 2")]
    assert not workers_of()
    assert list(run(["last"], few=1)) == [psutil.Process().pid]
    assert list(run([], make=None, few=1)) == []
    (process, *_) = run(["pid"] * 3, few=2)
    assert process != psutil.Process().pid


def test_under_click(functions):
    @click.command()
    def command():
        results = map_in_workers(
            functions.make, range(5), jobs=2, lost=None, item_s=9, worker_bytes=None
        )
        click.echo(sum(results))

    assert CliRunner().invoke(command).output == "20\n"
