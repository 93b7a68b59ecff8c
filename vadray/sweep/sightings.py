"""What single chunks have to tell while a sweep runs: the first that is as severe as asked for, and what is unreadable."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vadray import storage
from vadray.calibration.calibration import Calibration
from vadray.calibration.events import EventRules
from vadray.calibration.rules import FrameRules
from vadray.sweep import scores
from vadray.sweep.notify import Webhook
from vadray.sweep.scene import scene_of

Log = Callable[..., None]
Row = Mapping[str, Any]


class Sightings:
    """Looks at rows of `stages.summary` as they come.

    Args:
        units: Rows of the plan that are scored.
        calibrations: By the plan's `bundle` index.
        scores_folder: Where score files are.
        rules: Gives those of the sweep; asked for once, when the first moment is severe enough.
        webhook: Is told of the first moment that is severe enough and that rules keep; None tells nobody.
        severity: The p-value from which on it is.
        log: Takes a message and fields, for each unreadable object.
    """

    def __init__(
        self,
        units: pa.Table,
        calibrations: Sequence[Calibration],
        scores_folder: str,
        rules: Callable[[], FrameRules],
        webhook: Webhook | None,
        severity: float,
        log: Log,
    ):
        self._units, self._calibrations = units, calibrations
        self._scores_folder, self._ask_for_rules = scores_folder, rules
        self._webhook, self._severity, self._log = webhook, severity, log

    @cached_property
    def _rules(self) -> FrameRules:
        return self._ask_for_rules()

    def look(self, chunk: Row) -> None:
        for error in chunk["errors"]:
            member = self._member(chunk["unit_id"], error["member"])
            self._log(
                "unreadable",
                level="warning",
                unit_id=chunk["unit_id"],
                object_uri=member["object_uri"],
                reason=error["reason"],
                error=error["error"],
            )
        if self._webhook is not None and chunk["peak"] is not None:
            self._see(chunk, self._calibrations[chunk["bundle"]], self._webhook)

    def _see(self, chunk: Row, calibration: Calibration, webhook: Webhook) -> None:
        own = (calibration.default, *calibration.cameras.values())
        if min(float(one.p_value(chunk["peak"]["score"])) for one in own) > self._severity:
            return  # whichever camera it is
        peaks: Iterable[Row] = [chunk["peak"]]
        if self._rules.decide_anything:
            peaks = self._kept_peaks(chunk, calibration.rules)
        for peak in peaks:
            member = self._member(chunk["unit_id"], peak["member"])
            p_value = float(calibration.for_camera(member["camera"]).p_value(peak["score"]))
            if p_value > self._severity:
                continue
            self._webhook = None  # the first alone
            captured = member["captured_at"]
            moment = captured + timedelta(seconds=peak["time_s"]) if captured else None
            place = f"{member['object_uri']} at {peak['time_s']:.1f} s"
            webhook.post(
                "event",
                f"the first moment with p ≤ {self._severity:g}: {place}, p {p_value:.2g}",
                object_uri=member["object_uri"],
                camera=member["camera"] or "",
                time_s=peak["time_s"],
                captured_at=moment.isoformat() if moment else None,
                p_value=p_value,
                unit_id=chunk["unit_id"],
            )
            return

    def _kept_peaks(self, chunk: Row, rules: EventRules) -> Iterator[dict[str, Any]]:
        """The largest smoothed score of each object among the frames that rules keep; as `stages.summary`'s peak."""
        name = scores.file_name(chunk["unit_id"], chunk["chunk"], chunk["last"])
        row = scores.load(storage.join(self._scores_folder, name), ["frames", "members"])
        frames, infos = scores.frames_of(row), row["members"][0].as_py()
        for place in np.unique(frames["member"]).tolist():
            own = {field: values[frames["member"] == place] for field, values in frames.items()}
            member = self._member(chunk["unit_id"], place)
            scene = scene_of(
                member["camera"] or "", member["captured_at"], self._rules.time_zone, infos[place], own
            )
            _, kept = self._rules.decide(scene)
            if not kept.any():
                continue
            smoother = rules.kept_smoother()
            parts = [smoother.push(own["time_s"], own["score"], kept), smoother.finish()]
            smoothed = np.where(kept, np.concatenate(parts), -np.inf)
            at = int(smoothed.argmax())
            yield {"score": float(smoothed[at]), "time_s": float(own["time_s"][at]), "member": place}

    def _member(self, unit_id: str, place: int) -> dict[str, Any]:
        row = pc.index(self._units["unit_id"], unit_id).as_py()
        return self._units["members"][row][place].as_py()
