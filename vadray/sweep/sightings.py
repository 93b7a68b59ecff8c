"""What single chunks have to tell while a sweep runs: the first that is as severe as asked for, and what is unreadable."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vadray.calibration.calibration import Calibration
from vadray.sweep.notify import Webhook

Log = Callable[..., None]


class Sightings:
    """Looks at rows of `stages.summary` as they come.

    Args:
        units: Rows of the plan that are scored.
        calibrations: By the plan's `bundle` index.
        webhook: Is told of the first chunk that is severe enough; None tells nobody.
        severity: The p-value from which on it is.
        log: Takes a message and fields, for each unreadable object.
    """

    def __init__(
        self,
        units: pa.Table,
        calibrations: Sequence[Calibration],
        webhook: Webhook | None,
        severity: float,
        log: Log,
    ):
        self._units, self._calibrations = units, calibrations
        self._webhook, self._severity, self._log = webhook, severity, log

    def look(self, chunk: Mapping[str, Any]) -> None:
        for error in chunk["errors"]:
            member = self._member(chunk["unit_id"], error["member"])
            self._log(
                "unreadable",
                unit_id=chunk["unit_id"],
                object_uri=member["object_uri"],
                reason=error["reason"],
            )
        if self._webhook is not None and chunk["peak"] is not None:
            self._see(chunk["unit_id"], self._calibrations[chunk["bundle"]], chunk["peak"], self._webhook)

    def _see(self, unit_id: str, calibration: Calibration, peak: Mapping[str, Any], webhook: Webhook) -> None:
        own = (calibration.default, *calibration.cameras.values())
        if min(float(one.p_value(peak["score"])) for one in own) > self._severity:
            return  # whichever camera it is
        member = self._member(unit_id, peak["member"])
        p_value = float(calibration.for_camera(member["camera"]).p_value(peak["score"]))
        if p_value > self._severity:
            return
        self._webhook = None  # the first alone
        captured = member["captured_at"]
        place = f"{member['object_uri']} at {peak['time_s']:.1f} s"
        webhook.post(
            "event",
            f"the first moment with p ≤ {self._severity:g}: {place}, p {p_value:.2g}",
            object_uri=member["object_uri"],
            camera=member["camera"] or "",
            time_s=peak["time_s"],
            captured_at=captured.isoformat() if captured else None,
            p_value=p_value,
            unit_id=unit_id,
        )

    def _member(self, unit_id: str, place: int) -> dict[str, Any]:
        row = pc.index(self._units["unit_id"], unit_id).as_py()
        return self._units["members"][row][place].as_py()
