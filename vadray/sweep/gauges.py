"""What Prometheus sees of a sweep while its driver runs, on the metrics ports of Ray's nodes: `ray_vadray_…`."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray.util.metrics import Gauge

QUANTILES = (0.5, 0.9, 0.99)
RECENT = 4096  # scores that the quantiles are of


class SweepGauges:
    """Gauges of one sweep, told apart by the tag `sweep_id`. They end with the driver's process.

    `vadray_sweep_units` by `state`, done or todo; `vadray_sweep_objects` by `status`, which is `planned` until an object
    is known to be `quarantined`; `vadray_sweep_quarantined` by `reason`; `vadray_sweep_frames`, those that this attempt
    has decoded and scored; `vadray_sweep_seconds` that its actors have spent, by `stage`, decode or score, and
    `vadray_sweep_scores`, quantiles of raw scores of late, by `bundle` and `quantile`.

    Args:
        sweep_id: The sweep.
        bundles: Names of the bundles, by the plan's `bundle` index.
        objects: To be scored.
        units: To be scored.
        done: Units that earlier attempts have scored.
    """

    def __init__(self, sweep_id: str, bundles: Sequence[str], objects: int, units: int, done: int):
        self._tags = {"sweep_id": sweep_id}
        self._bundles = bundles
        self._objects, self._units, self._done = objects, units, done
        self._frames = 0
        self._seconds = {"decode": 0.0, "score": 0.0}
        self._reasons: Counter[str] = Counter()
        self._scores: dict[int, deque[float]] = {}
        self._of_units = Gauge("vadray_sweep_units", "units of the sweep", ("sweep_id", "state"))
        self._of_objects = Gauge("vadray_sweep_objects", "objects of the sweep", ("sweep_id", "status"))
        self._of_reasons = Gauge("vadray_sweep_quarantined", "unreadable objects", ("sweep_id", "reason"))
        self._of_frames = Gauge("vadray_sweep_frames", "frames scored by this attempt", ("sweep_id",))
        self._of_seconds = Gauge("vadray_sweep_seconds", "seconds of all actors", ("sweep_id", "stage"))
        self._of_scores = Gauge("vadray_sweep_scores", "raw scores", ("sweep_id", "bundle", "quantile"))
        self._set()

    def tell(self, chunks: Sequence[Mapping[str, Any]]) -> None:
        """Takes what came of some chunks, rows of `stages.summary`: together, for a task may have many small ones."""
        for chunk in chunks:
            self._done += int(chunk["last"])
            self._frames += chunk["frames"]
            self._reasons.update(error["reason"] for error in chunk["errors"])
            for stage in self._seconds:
                self._seconds[stage] += chunk[f"{stage}_s"]
            if chunk["scores"]:
                self._scores.setdefault(chunk["bundle"], deque(maxlen=RECENT)).extend(chunk["scores"])
        self._set()

    def _set(self) -> None:
        for state, count in (("done", self._done), ("todo", self._units - self._done)):
            self._of_units.set(count, {**self._tags, "state": state})
        self._of_frames.set(self._frames, self._tags)
        quarantined = self._reasons.total()
        for status, count in (("planned", self._objects - quarantined), ("quarantined", quarantined)):
            self._of_objects.set(count, {**self._tags, "status": status})
        for reason, count in self._reasons.items():
            self._of_reasons.set(count, {**self._tags, "reason": reason})
        for stage, seconds in self._seconds.items():
            self._of_seconds.set(seconds, {**self._tags, "stage": stage})
        for bundle, scores in self._scores.items():
            for quantile, value in zip(QUANTILES, np.quantile(scores, QUANTILES), strict=True):
                tags = {**self._tags, "bundle": self._bundles[bundle], "quantile": f"{quantile:g}"}
                self._of_scores.set(float(value), tags)
