"""The log of a run: lines that a resumed run takes again, and sheets on TensorBoard."""

import json

import numpy as np
import pytest

from provenance.training import RunLog, write_sheet


def steps(log):
    return [json.loads(line)["step"] for line in log.path.read_text().splitlines()]


def test_a_resumed_run_keeps_lines_up_to_its_checkpoint(tmp_path):
    log = RunLog(tmp_path)
    for step in (2, 4, 6):
        log.write(step, loss=1.0, action="none")
    log.close()
    assert steps(RunLog(tmp_path, resume=True)) == [2, 4, 6]
    assert steps(RunLog(tmp_path, resume=True, step=4)) == [2, 4]


def test_the_newest_sheet_goes_to_tensorboard_once(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = RunLog(tmp_path / "train")
    log.show_newest_sheet(tmp_path)  # there is none yet
    for step, shade in ((5, 0), (120, 255)):
        write_sheet(tmp_path, step, [np.full((3, 8, 8, 3), shade, np.uint8)], ["sample"])
    log.show_newest_sheet(tmp_path)
    log.show_newest_sheet(tmp_path)
    log.close()
    board = events.EventAccumulator(str(tmp_path / "train" / "tensorboard"))
    board.Reload()
    assert [image.step for image in board.Images("samples")] == [120]
