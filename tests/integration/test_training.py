"""Training on a real Ray Train: the same weights however many workers, and on from a checkpoint after a death."""

import contextlib
import json
import threading
import time

import numpy as np
import psutil
import pytest

from tests.integration.small_training import small_options
from tests.patience import PATIENCE_S
from vadray.bundle import open_bundle
from vadray.errors import RequestError
from vadray.training.train import train


def weights(bundle) -> np.ndarray:
    detector = bundle.load_detector()
    return np.concatenate([variable.numpy().ravel() for variable in detector.trainable_variables])


def test_one_worker_that_dies_gives_the_weights_of_two_that_live(archive, cluster, tmp_path):
    """Twenty steps; sample i of a step goes to rank i mod the number of workers, and an epoch that is done stays done."""
    killed: list[int] = []

    def kill_after_first_checkpoint() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if list(tmp_path.glob(".one.training-*/checkpoint_*/state.json")):
                # below this process, since another Ray may run on this machine
                for process in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        if any("RayTrainWorker" in part for part in process.cmdline()):
                            process.kill()
                            killed.append(process.pid)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_after_first_checkpoint)
    killer.start()
    short = {"epochs": 4, "steps_per_epoch": 5}
    one = train(small_options(archive, tmp_path / "one", **short), print)
    killer.join()
    assert killed, "no worker was killed: the test shows nothing"
    history = open_bundle(str(tmp_path / "one")).info["history"]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert one.figures["validation_loss"] < history[0]["validation_loss"]
    assert not list(tmp_path.glob(".one.training-*")), "checkpoints are gone once the bundle is there"

    two = train(small_options(archive, tmp_path / "two", workers=2, **short), print)
    assert two.figures["workers"] == 2 and two.figures["best_epoch"] == one.figures["best_epoch"]
    by_one, by_two = weights(one.bundle), weights(two.bundle)
    assert np.linalg.norm(by_one - by_two) / np.linalg.norm(by_one) <= 1e-4


def test_bundle_is_whole_and_refuses_change(archive, bundles, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundles["video"], copy)
    assert open_bundle(str(copy)).scoring_digest == open_bundle(str(bundles["video"])).scoring_digest
    calibration = json.loads((copy / "calibration.json").read_text())
    (copy / "calibration.json").write_text(json.dumps({**calibration, "method": "fixed"}))
    with pytest.raises(RequestError, match=r"calibration\.json was changed"):
        open_bundle(str(copy))


def test_a_bundle_in_the_way_is_refused(archive, bundles):
    with pytest.raises(RequestError, match="overwrite"):
        train(small_options(archive, bundles["video"]), print)
