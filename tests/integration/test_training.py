"""Training on a real Ray Train: the same weights however many workers, and on from a checkpoint after a death."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import ray

from vadray.bundle import open_bundle
from vadray.config import TrainOptions
from vadray.errors import RequestError
from vadray.training.train import train

SMALL = {"detector": "stae", "size": (32, 48), "window": 4, "units": 16, "batch_size": 4, "seed": 3}


def options(archive, out, **more) -> TrainOptions:
    return TrainOptions(archive=str(archive.train), out=str(out), **{**SMALL, **more})


def weights(bundle) -> np.ndarray:
    detector = bundle.load_detector()
    return np.concatenate([variable.numpy().ravel() for variable in detector.trainable_variables])


def test_two_workers_give_the_weights_of_one(archive, cluster, tmp_path):
    """Ten steps; sample i of a step goes to rank i mod the number of workers."""
    trained = [
        train(
            options(archive, tmp_path / f"by-{workers}", epochs=1, steps_per_epoch=10, workers=workers), print
        )
        for workers in (1, 2)
    ]
    one, two = (weights(result.bundle) for result in trained)
    assert np.linalg.norm(one - two) / np.linalg.norm(one) <= 1e-4
    assert trained[1].figures["workers"] == 2


def test_training_goes_on_after_a_worker_dies(archive, cluster, tmp_path):
    out = tmp_path / "bundle"
    killed = []
    # named, since another Ray may run on this machine
    address = ray.get_runtime_context().gcs_address

    def kill_after_first_checkpoint() -> None:
        from ray.util.state import list_actors

        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if list(tmp_path.glob(".bundle.training-*/checkpoint_*/state.json")):
                for actor in list_actors(address=address, filters=[("state", "=", "ALIVE")], limit=1000):
                    if actor.class_name == "RayTrainWorker":
                        os.kill(actor.pid, signal.SIGKILL)
                        killed.append(actor.pid)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_after_first_checkpoint)
    killer.start()
    result = train(options(archive, out, epochs=6, patience=6), print)
    killer.join()
    assert killed, "no worker was killed: the test shows nothing"
    history = open_bundle(str(out)).info["history"]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert result.figures["validation_loss"] < history[0]["validation_loss"]
    assert not list(Path(tmp_path).glob(".bundle.training-*")), (
        "checkpoints are gone once the bundle is there"
    )


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
        train(options(archive, bundles["video"]), print)
