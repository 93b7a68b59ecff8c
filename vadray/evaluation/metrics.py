"""Figures of merit over labelled frames. Micro pools all frames; macro is the mean over videos.

Every ranking figure comes three times: on calibrated scores (no suffix), on the detector's raw scores
(`_raw`), and on raw scores scaled to each video's own minimum and maximum (`_legacy`). The last leaks the
answer of the test video and always crowns a quiet one; it is here only to compare with published figures.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from vadray.calibration.events import runs

# A perfect reconstruction has infinite PSNR, and one such frame would make every mean infinite.
HIGHEST_PSNR_DB = 100.0


@dataclass(frozen=True)
class FrameSet:
    """The labelled, scored frames of one video, or one image, or any number of images.

    Args:
        object: Its name.
        labels: Anomalous in truth, bool `[n]`.
        score: Calibrated scores that compare across cameras, float `[n]`: standardised smoothed scores, or
            -log10 of p-values.
        raw: The detector's scores, float `[n]`.
        flags: Anomalous by the calibrated threshold and rules, bool `[n]`.
        mse: Mean squared reconstruction error of pixels in [0, 1], float `[n]`, where the detector
            reconstructs.

    Raises:
        ValueError: Lengths differ, or a score is not finite.
    """

    object: str
    labels: np.ndarray
    score: np.ndarray
    raw: np.ndarray
    flags: np.ndarray
    mse: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("score", "raw", "flags", "mse"):
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != np.shape(self.labels):
                raise ValueError(
                    f"{self.object}: `{name}` must have one value per label, shape {np.shape(self.labels)}. "
                    f"Received shape {np.shape(values)}"
                )
            if not np.isfinite(values).all():
                raise ValueError(f"{self.object}: `{name}` must be finite")


@dataclass(frozen=True)
class Figures:
    """All figures of one bundle on one set; None where undefined (for example AUC of one class).

    precision, recall, f1, accuracy are of the flags, that is at the calibrated threshold after the event
    rules; `best_f1*` at the threshold that the labels themselves choose, an upper bound. `auc_macro` is over
    the `videos_with_both_classes`. Events are runs of labelled and of flagged frames: a true one is recalled
    when a found one overlaps it, a found one is right when it overlaps a true one.

    `pixel_auroc`, `aupro` (of images) and `rbdc` (of video) need pixel masks and error maps (see `localisation`), and
    `false_alarms_per_hour` the times of frames (see `alarms`): `evaluate_frames` has none of these, and leaves them
    None for who has.
    """

    videos: int
    videos_with_both_classes: int
    frames: int
    anomalous_frames: int
    precision: float | None
    recall: float | None
    f1: float | None
    accuracy: float | None
    best_f1: float | None
    best_f1_threshold: float | None
    best_f1_precision: float | None
    best_f1_recall: float | None
    best_f1_accuracy: float | None
    auc_micro: float | None
    auc_macro: float | None
    average_precision: float | None
    eer: float | None
    auc_micro_raw: float | None
    auc_macro_raw: float | None
    average_precision_raw: float | None
    eer_raw: float | None
    best_f1_raw: float | None
    auc_micro_legacy: float | None
    auc_macro_legacy: float | None
    average_precision_legacy: float | None
    eer_legacy: float | None
    best_f1_legacy: float | None
    psnr_db: float | None
    psnr_db_normal: float | None
    psnr_db_anomalous: float | None
    events_true: int | None
    events_found: int | None
    event_precision: float | None
    event_recall: float | None
    event_f1: float | None
    pixel_auroc: float | None = None
    aupro: float | None = None
    rbdc: float | None = None
    false_alarms_per_hour: float | None = None

    def to_dict(self) -> dict[str, float | int | None]:
        """Flat and without NaN, for JSON."""
        return asdict(self)


def evaluate_frames(sets: Sequence[FrameSet], kind: str = "video") -> Figures:
    """All figures over labelled videos, or over images.

    Args:
        sets: At least one frame in all. For images it makes no difference how they are grouped.
        kind: "video" or "image". Images have no macro, legacy and event figures.

    Raises:
        ValueError: `kind` is neither, or there is no frame.
    """
    if kind not in ("video", "image"):
        raise ValueError(f"`kind` must be 'video' or 'image'. Received: {kind!r}")
    sets = [one for one in sets if len(one.labels)]
    if not sets:
        raise ValueError("`sets` must hold at least one labelled frame. Received none")
    is_video = kind == "video"
    truth = [np.asarray(one.labels, dtype=bool) for one in sets]
    labels = np.concatenate(truth)
    flags = np.concatenate([np.asarray(one.flags, dtype=bool) for one in sets])
    both = [bool(video.any() and not video.all()) for video in truth]

    calibrated = _ranking(truth, [one.score for one in sets], is_video)
    raw = _ranking(truth, [one.raw for one in sets], is_video)
    legacy = _ranking(truth, [legacy_scores(one.raw) for one in sets], True) if is_video else _Ranking()
    return Figures(
        videos=len(sets) if is_video else len(labels),
        videos_with_both_classes=sum(both) if is_video else 0,
        frames=len(labels),
        anomalous_frames=int(labels.sum()),
        precision=_number(precision_score(labels, flags, zero_division=np.nan)),
        recall=_number(recall_score(labels, flags, zero_division=np.nan)),
        f1=_number(f1_score(labels, flags, zero_division=np.nan)),
        accuracy=_number(accuracy_score(labels, flags)),
        best_f1=calibrated.best_f1,
        best_f1_threshold=calibrated.best_f1_threshold,
        best_f1_precision=calibrated.best_f1_precision,
        best_f1_recall=calibrated.best_f1_recall,
        best_f1_accuracy=calibrated.best_f1_accuracy,
        auc_micro=calibrated.auc_micro,
        auc_macro=calibrated.auc_macro,
        average_precision=calibrated.average_precision,
        eer=calibrated.eer,
        auc_micro_raw=raw.auc_micro,
        auc_macro_raw=raw.auc_macro,
        average_precision_raw=raw.average_precision,
        eer_raw=raw.eer,
        best_f1_raw=raw.best_f1,
        auc_micro_legacy=legacy.auc_micro,
        auc_macro_legacy=legacy.auc_macro,
        average_precision_legacy=legacy.average_precision,
        eer_legacy=legacy.eer,
        best_f1_legacy=legacy.best_f1,
        **_psnr_figures(sets),
        **_event_figures(sets, is_video),
    )


def legacy_scores(raw: np.ndarray) -> np.ndarray:
    """Scores of one video scaled to its own minimum and maximum, as much published work does."""
    raw = np.asarray(raw, dtype=np.float64)
    spread = np.ptp(raw)
    return (raw - raw.min()) / spread if spread > 0 else np.zeros_like(raw)


def psnr_db(mse: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each frame from its mean squared error on pixels in [0, 1]."""
    floor = 10 ** (-HIGHEST_PSNR_DB / 10)
    return -10 * np.log10(np.maximum(np.asarray(mse, dtype=np.float64), floor))


def equal_error_rate(labels: np.ndarray, score: np.ndarray) -> float:
    """Where false positive and false negative rate are equal, interpolated on the ROC; needs both classes."""
    false_positive, true_positive, _ = roc_curve(labels, score)
    excess = false_positive - (1 - true_positive)  # rises from -1 to 1
    return float(np.interp(0.0, excess, false_positive))


@dataclass(frozen=True)
class _Ranking:
    auc_micro: float | None = None
    auc_macro: float | None = None
    average_precision: float | None = None
    eer: float | None = None
    best_f1: float | None = None
    best_f1_threshold: float | None = None
    best_f1_precision: float | None = None
    best_f1_recall: float | None = None
    best_f1_accuracy: float | None = None


def _ranking(truth: list[np.ndarray], scores: Sequence[np.ndarray], macro: bool) -> _Ranking:
    labels = np.concatenate(truth)
    score = np.concatenate([np.asarray(one, dtype=np.float64) for one in scores])
    if not labels.any() or labels.all():
        return _Ranking()
    by_video = [
        roc_auc_score(video, one)
        for video, one in zip(truth, scores, strict=True)
        if macro and video.any() and not video.all()
    ]
    precision, recall, levels = precision_recall_curve(labels, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(np.argmax(f1[:-1]))
    return _Ranking(
        auc_micro=float(roc_auc_score(labels, score)),
        auc_macro=float(np.mean(by_video)) if by_video else None,
        average_precision=float(average_precision_score(labels, score)),
        eer=equal_error_rate(labels, score),
        best_f1=float(f1[best]),
        best_f1_threshold=float(levels[best]),
        best_f1_precision=float(precision[best]),
        best_f1_recall=float(recall[best]),
        best_f1_accuracy=float(accuracy_score(labels, score >= levels[best])),
    )


def _psnr_figures(sets: Sequence[FrameSet]) -> dict[str, Any]:
    pairs = [(psnr_db(one.mse), np.asarray(one.labels, dtype=bool)) for one in sets if one.mse is not None]
    if not any(np.any(one.mse) for one in sets if one.mse is not None):
        pairs = []  # of a detector that reconstructs nothing
    psnr = np.concatenate([values for values, _ in pairs]) if pairs else np.empty(0)
    labels = np.concatenate([truth for _, truth in pairs]) if pairs else np.empty(0, dtype=bool)
    return {
        "psnr_db": _mean(psnr),
        "psnr_db_normal": _mean(psnr[~labels]),
        "psnr_db_anomalous": _mean(psnr[labels]),
    }


def _event_figures(sets: Sequence[FrameSet], is_video: bool) -> dict[str, Any]:
    names = ("events_true", "events_found", "event_precision", "event_recall", "event_f1")
    if not is_video:
        return dict.fromkeys(names)
    true_events = [bool(one.flags[a : b + 1].any()) for one in sets for a, b in runs(one.labels)]
    found_events = [bool(one.labels[a : b + 1].any()) for one in sets for a, b in runs(one.flags)]
    precision, recall = _mean(found_events), _mean(true_events)
    f1 = None
    if precision is not None and recall is not None:
        f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    return dict(zip(names, (len(true_events), len(found_events), precision, recall, f1), strict=True))


def _mean(values: Sequence[bool] | np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
