"""Scores to thresholds, p-values, smoothing, events and rules: pure functions of arrays."""

from vadray.calibration.calibration import (
    METHODS,
    CalibratedScores,
    Calibration,
    CameraCalibration,
    VideoScores,
)
from vadray.calibration.events import EventBuilder, EventRules, find_events, runs
from vadray.calibration.markov import Markov, MarkovSmoother
from vadray.calibration.sketch import QuantileSketch
from vadray.calibration.smoothing import Smoother, smooth

__all__ = [
    "METHODS",
    "CalibratedScores",
    "Calibration",
    "CameraCalibration",
    "EventBuilder",
    "EventRules",
    "Markov",
    "MarkovSmoother",
    "QuantileSketch",
    "Smoother",
    "VideoScores",
    "find_events",
    "runs",
    "smooth",
]
