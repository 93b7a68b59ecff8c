"""What Prometheus sees of a sweep while its driver runs, on the metrics ports of Ray's nodes: `ray_vadray_…`."""

from collections.abc import Mapping

from ray.util.metrics import Gauge


class SweepGauges:
    """Gauges of one sweep, told apart by the tag `sweep_id`. They end with the driver's process.

    `vadray_sweep_units` by `state`, done or todo; `vadray_sweep_objects` by `status`, which is `planned` until an object
    is known to be `quarantined`; `vadray_sweep_frames`, those that this attempt has scored.

    Args:
        sweep_id: The sweep.
        objects: To be scored.
        units: To be scored.
        done: Units that earlier attempts have scored.
    """

    def __init__(self, sweep_id: str, objects: int, units: int, done: int):
        self._tags = {"sweep_id": sweep_id}
        self._objects, self._units, self._done = objects, units, done
        self._frames = self._quarantined = 0
        self._of_units = Gauge("vadray_sweep_units", "units of the sweep", ("sweep_id", "state"))
        self._of_objects = Gauge("vadray_sweep_objects", "objects of the sweep", ("sweep_id", "status"))
        self._of_frames = Gauge("vadray_sweep_frames", "frames scored by this attempt", ("sweep_id",))
        self.tell(units=0, frames=0, unreadable=0)

    def tell(self, units: int, frames: int, unreadable: int) -> None:
        """Takes what was done since the last call."""
        self._done += units
        self._frames += frames
        self._quarantined += unreadable
        for state, count in (("done", self._done), ("todo", self._units - self._done)):
            self._of_units.set(count, {**self._tags, "state": state})
        self._of_frames.set(self._frames, self._tags)
        self._set_objects({"planned": self._objects - self._quarantined, "quarantined": self._quarantined})

    def _set_objects(self, counts: Mapping[str, int]) -> None:
        for status, count in counts.items():
            self._of_objects.set(count, {**self._tags, "status": status})
