"""A bundle's calibration: thresholds, event rules and the normal scores' sketch, for all and per camera."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from vadray.calibration import thresholds
from vadray.calibration.events import IMAGE_RULES, EventBuilder, EventRules, find_events
from vadray.calibration.hours import ByHour, hours_of
from vadray.calibration.markov import Markov, MarkovSmoother
from vadray.calibration.sketch import QuantileSketch
from vadray.calibration.smoothing import Smoother
from vadray.calibration.timeline import footage_hours
from vadray.errors import RequestError

SCHEMA_VERSION = 1
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "false_alarms_per_hour": ("false_alarms_per_hour",),
    "quantile": ("quantile",),
    "sigma": ("k",),
    "mad": ("k",),
    "evt": ("quantile",),
    "fixed": ("value",),
    "best_f1": (),
}
METHODS = tuple(_PARAMETERS)
DEFAULT_METHOD = {"video": "false_alarms_per_hour", "image": "quantile"}
# Fewer normal frames (or images) than this say less about a camera than all cameras together do.
HOURS_FOR_A_RATE = 3.0  # for one false alarm an hour: without any in so long, 95 % say that there are fewer
MIN_CAMERA_SCORES = {"video": 500, "image": 100}


@dataclass(frozen=True)
class VideoScores:
    """Raw scores of one video, or of any number of images (whose times mean nothing).

    Args:
        camera: The camera, None when unknown.
        time_s: Seconds, shape `[n]`.
        score: Raw scores, finite, shape `[n]`.
        labels: Anomalous or not, bool `[n]`; used by `best_f1` only.
        captured_at: When the frame at 0 s was captured, or None.
    """

    camera: str | None
    time_s: np.ndarray
    score: np.ndarray
    labels: np.ndarray | None = None
    captured_at: datetime | None = None


@dataclass(frozen=True)
class CameraCalibration:
    """What decides whether a smoothed score is anomalous, for one camera or for all.

    Args:
        threshold: An event begins at this smoothed score.
        release: It lasts while the smoothed score is at least this.
        extrapolated: The threshold lies beyond what the data could show.
        hours: Hours of normal footage seen (0 for images).
        frames: Normal frames or images seen.
        sketch: Of their smoothed scores.
        detail: Figures of the threshold's method.
    """

    threshold: float
    release: float
    extrapolated: bool
    hours: float
    frames: int
    sketch: QuantileSketch
    detail: dict[str, float] = field(default_factory=dict)

    def p_value(self, smoothed: np.ndarray) -> np.ndarray:
        """See `QuantileSketch.p_value`."""
        return self.sketch.p_value(smoothed)

    def standardise(self, smoothed: np.ndarray) -> np.ndarray:
        """See `QuantileSketch.standardise`."""
        return self.sketch.standardise(smoothed)

    def to_dict(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in _PLAIN_FIELDS}, "sketch": self.sketch.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "CameraCalibration":
        return cls(
            **{name: data[name] for name in _PLAIN_FIELDS}, sketch=QuantileSketch.from_dict(data["sketch"])
        )


_PLAIN_FIELDS = ("threshold", "release", "extrapolated", "hours", "frames", "detail")


@dataclass(frozen=True)
class CalibratedScores:
    """The scores of one video, calibrated: float64 `[n]` each, bool `[n]`, and `(first, last)` frames."""

    smoothed: np.ndarray
    p_value: np.ndarray
    standardised: np.ndarray
    flags: np.ndarray
    events: list[tuple[int, int]]


@dataclass(frozen=True)
class Calibration:
    """Calibration of a bundle against normal data; `calibration.json` in the bundle.

    Args:
        kind: "image" (every image on its own, no smoothing, one image is one event) or "video".
        method: One of `METHODS`.
        parameters: The method's parameters.
        rules: Smoothing and event rules, the same for every camera.
        default: For cameras without their own.
        cameras: By camera, where calibrated so.
        notes: Why a camera that was seen uses the default, by camera; why an hour of it uses the camera's, by
            `camera@02`.
        hours: By camera and hour of the day, UTC, where calibrated so.
    """

    kind: str
    method: str
    parameters: dict[str, float]
    rules: EventRules
    default: CameraCalibration
    cameras: dict[str, CameraCalibration] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    hours: dict[str, dict[int, CameraCalibration]] = field(default_factory=dict)

    @property
    def doubt(self) -> str:
        """Why its thresholds may be wrong, in words; empty where the footage shows them."""
        doubtful = [name for name, one in self.cameras.items() if one.extrapolated]
        if not self.default.extrapolated and not doubtful:
            return ""
        one = self.default
        seen = (
            f"{one.hours:.2g} h of normal footage"
            if self.kind == "video"
            else f"{one.frames:,} normal images"
        )
        rate = self.parameters.get("false_alarms_per_hour")
        enough = f" with {HOURS_FOR_A_RATE / rate:.3g} h" if rate else " with more"
        return (
            f"the threshold {one.threshold:.6g}{f' (and those of {chr(44).join(doubtful)})' if doubtful else ''} is "
            f"extrapolated: {seen} cannot show it. Expect false alarms; calibrate{enough}"
        )

    @classmethod
    def fit(
        cls,
        videos: Sequence[VideoScores],
        *,
        kind: str = "video",
        method: str | None = None,
        false_alarms_per_hour: float = 1.0,
        quantile: float = 0.99,
        k: float = 3.0,
        value: float | None = None,
        rules: EventRules | None = None,
        smoothing: str = "mean",
        per_camera: bool = False,
        per_hour: bool = False,
    ) -> "Calibration":
        """Calibrates on normal data that the detector was not trained on.

        Args:
            videos: At least one score in all.
            kind: "video" or "image".
            method: One of `METHODS`; by default `false_alarms_per_hour` for video and `quantile` for images.
            false_alarms_per_hour: Tolerable events per hour of footage, above 0.
            quantile: For `quantile` and `evt`, in (0, 1).
            k: For `sigma` and `mad`.
            value: For `fixed`: the threshold on the smoothed score.
            rules: By default `EventRules()`; images always use `IMAGE_RULES`.
            smoothing: "mean", as `rules` say, or "markov": of video, by a `Markov` fitted to all scores together, and
                without hysteresis.
            per_camera: Also calibrate each camera on its own, where it has `MIN_CAMERA_SCORES`.
            per_hour: Of these also each hour of the day, where there is footage enough to show the rate.

        Raises:
            RequestError: An argument is wrong, or the data do not suffice for the method.
        """
        if kind not in DEFAULT_METHOD:
            raise RequestError(f"`kind` must be one of {sorted(DEFAULT_METHOD)}. Received: {kind!r}")
        method = method or DEFAULT_METHOD[kind]
        if method not in METHODS:
            raise RequestError(f"`method` must be one of {', '.join(METHODS)}. Received: {method!r}")
        if kind == "image" and method == "false_alarms_per_hour":
            raise RequestError(
                "`method` must not be 'false_alarms_per_hour' for images, which have no duration; "
                "expected for example 'quantile'"
            )
        if method == "fixed" and value is None:
            raise RequestError("`value` must be given for the method 'fixed': a threshold. Received: None")
        videos = [video for video in videos if len(video.score)]
        if not videos:
            raise RequestError("`videos` must hold at least one normal score to calibrate on. Received none")
        arguments: dict[str, float | None] = {
            "false_alarms_per_hour": false_alarms_per_hour,
            "quantile": quantile,
            "k": k,
            "value": value,
        }
        parameters = {
            name: float(number) for name in _PARAMETERS[method] if (number := arguments[name]) is not None
        }
        rules = IMAGE_RULES if kind == "image" else rules or EventRules()
        try:
            if smoothing == "markov" and kind == "video":
                every = np.concatenate([video.score for video in videos])
                # log odds hold on by themselves: an event ends where it began to be one
                rules = replace(rules, markov=Markov.fit(every), release_fraction=1.0)
            default = _calibrate(videos, kind, method, parameters, rules)
            cameras, notes, hours = {}, {}, {}
            for camera in sorted({video.camera for video in videos if video.camera}) if per_camera else ():
                own = [video for video in videos if video.camera == camera]
                scores = sum(len(video.score) for video in own)
                if scores < MIN_CAMERA_SCORES[kind]:
                    notes[camera] = (
                        f"{scores} normal scores, fewer than {MIN_CAMERA_SCORES[kind]}: default used"
                    )
                else:
                    cameras[camera] = _calibrate(own, kind, method, parameters, rules)
                    if per_hour:
                        hours[camera], more = _by_hour(own, kind, method, parameters, rules)
                        notes |= {f"{camera}@{hour:02}": note for hour, note in more.items()}
        except ValueError as error:
            raise RequestError(f"cannot calibrate by {method!r}: {error}") from error
        return cls(kind, method, parameters, rules, default, cameras, notes, hours)

    def for_camera(self, camera: str | None) -> CameraCalibration:
        """The camera's own calibration, or the default."""
        return self.cameras.get(camera, self.default) if camera else self.default

    def by_hour(self, camera: str | None) -> ByHour:
        """The camera's own calibration, with those of its hours."""
        return ByHour(self.for_camera(camera), self.hours.get(camera or "", {}))

    @property
    def digest(self) -> str:
        """Of all that it says: equal calibrations give equal p-values and events."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def least_peak(self) -> float:
        """The highest frame of an event has at least this raw score, whatever its camera."""
        by_hour = [one for own in self.hours.values() for one in own.values()]
        every = (self.default, *self.cameras.values(), *by_hour)
        if self.rules.markov is None:
            return min(one.release for one in every)
        # log odds fade from frame to frame: where they are largest, and positive, evidence is positive too
        return self.rules.markov.middle if min(one.threshold for one in every) > 0 else -np.inf

    def smoother(self) -> Smoother | MarkovSmoother:
        """A new streaming smoother for one video."""
        return self.rules.smoother()

    def event_builder(self, camera: str | None) -> EventBuilder:
        """A new streaming event builder for one video of this camera."""
        own = self.for_camera(camera)
        return EventBuilder(own.threshold, own.release, self.rules)

    def apply(self, video: VideoScores) -> CalibratedScores:
        """The whole-array form of what the sweep streams; images are each decided on their own."""
        own, by_hour = self.for_camera(video.camera), self.by_hour(video.camera)
        hour = hours_of(video.captured_at, video.time_s)
        if self.kind == "image":
            smoothed = np.asarray(video.score, dtype=np.float64)
            flags = by_hour.levelled(smoothed, hour) >= own.threshold
            events = [(index, index) for index in np.flatnonzero(flags).tolist()]
        else:
            smoothed = self.rules.smooth(video.time_s, video.score)
            levels = by_hour.levelled(smoothed, hour)
            flags, events = find_events(video.time_s, levels, own.threshold, own.release, self.rules)
        return CalibratedScores(
            smoothed, by_hour.p_value(smoothed, hour), own.standardise(smoothed), flags, events
        )

    def to_json(self) -> str:
        """The text of `calibration.json`: plain numbers, exact when read back."""
        return json.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": self.kind,
                "method": self.method,
                "parameters": self.parameters,
                "rules": self.rules.to_dict(),
                "notes": self.notes,
                "default": self.default.to_dict(),
                "cameras": {camera: own.to_dict() for camera, own in self.cameras.items()},
                "hours": {
                    camera: {f"{hour:02}": one.to_dict() for hour, one in own.items()}
                    for camera, own in self.hours.items()
                },
            },
            indent=1,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Calibration":
        """The inverse of `to_json`.

        Raises:
            RequestError: It is not the JSON of a calibration, or of another schema version.
        """
        try:
            data = json.loads(text)
            version = data["schema_version"]
            if version != SCHEMA_VERSION:
                raise RequestError(
                    f"calibration.json must have schema_version {SCHEMA_VERSION}. Received: {version!r}"
                )
            return cls(
                kind=data["kind"],
                method=data["method"],
                parameters=data["parameters"],
                rules=EventRules.from_dict(data["rules"]),
                default=CameraCalibration.from_dict(data["default"]),
                cameras={camera: CameraCalibration.from_dict(own) for camera, own in data["cameras"].items()},
                notes=data["notes"],
                hours={  # earlier versions had none
                    camera: {int(hour): CameraCalibration.from_dict(one) for hour, one in own.items()}
                    for camera, own in data.get("hours", {}).items()
                },
            )
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise RequestError(
                "calibration.json must hold a calibration as `vadray calibrate` writes it. "
                f"Received: {type(error).__name__}: {error}"
            ) from error


def _calibrate(
    videos: Sequence[VideoScores], kind: str, method: str, parameters: dict[str, float], rules: EventRules
) -> CameraCalibration:
    smoothed = [rules.smooth(video.time_s, video.score) for video in videos]
    scores = np.concatenate(smoothed)
    sketch = QuantileSketch.fit(scores)
    threshold = _threshold(videos, smoothed, scores, method, parameters, rules)
    return CameraCalibration(
        threshold=threshold.value,
        release=thresholds.release_level(threshold.value, sketch.median, rules),
        extrapolated=threshold.extrapolated,
        hours=0.0 if kind == "image" else sum(footage_hours(video.time_s) for video in videos),
        frames=len(scores),
        sketch=sketch,
        detail=threshold.detail,
    )


def _by_hour(
    videos: Sequence[VideoScores], kind: str, method: str, parameters: dict[str, float], rules: EventRules
) -> tuple[dict[int, CameraCalibration], dict[int, str]]:
    """Calibrations of a camera's hours, and why an hour has none."""
    parts: dict[int, list[VideoScores]] = {}
    for video in videos:
        hour = hours_of(video.captured_at, video.time_s)
        for number in () if hour is None else np.unique(hour):
            mine = hour == number
            labels = None if video.labels is None else video.labels[mine]
            parts.setdefault(int(number), []).append(
                VideoScores(video.camera, video.time_s[mine], video.score[mine], labels)
            )
    found, notes = {}, {}
    for number in sorted(parts):
        frames = sum(len(video.score) for video in parts[number])
        seen = sum(footage_hours(video.time_s) for video in parts[number])
        wanted = HOURS_FOR_A_RATE / parameters.get("false_alarms_per_hour", np.inf)
        if frames < MIN_CAMERA_SCORES[kind] or seen < wanted:
            what = (
                f"{seen:.2g} h of normal footage, fewer than {wanted:.2g} h"
                if seen < wanted
                else f"{frames} scores"
            )
            notes[number] = f"{what}: the camera's own threshold used"
        else:
            found[number] = _calibrate(parts[number], kind, method, parameters, rules)
    return found, notes


def _threshold(
    videos: Sequence[VideoScores],
    smoothed: list[np.ndarray],
    scores: np.ndarray,
    method: str,
    parameters: dict[str, float],
    rules: EventRules,
) -> thresholds.Threshold:
    match method:
        case "false_alarms_per_hour":
            footage = [(video.time_s, score) for video, score in zip(videos, smoothed, strict=True)]
            return thresholds.false_alarm_threshold(footage, parameters["false_alarms_per_hour"], rules)
        case "quantile":
            return thresholds.quantile_threshold(scores, **parameters)
        case "evt":
            return thresholds.evt_threshold(scores, **parameters)
        case "sigma":
            return thresholds.sigma_threshold(scores, **parameters)
        case "mad":
            return thresholds.mad_threshold(scores, **parameters)
        case "fixed":
            return thresholds.fixed_threshold(**parameters)
        case _:
            labels = [video.labels for video in videos if video.labels is not None]
            if len(labels) < len(videos):
                raise ValueError(
                    f"`labels` must be given for every video. Received for {len(labels)} of {len(videos)}"
                )
            return thresholds.best_f1_threshold(scores, np.concatenate(labels))
