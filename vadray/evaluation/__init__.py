"""How well a bundle does on a labelled set: labels, metrics, tables and plots."""

from vadray.evaluation.datasets import LabelledSet, ObjectLabels, read_labels
from vadray.evaluation.metrics import Figures, FrameSet, evaluate_frames
from vadray.evaluation.table import figures_json, figures_table

__all__ = [
    "Figures",
    "FrameSet",
    "LabelledSet",
    "ObjectLabels",
    "evaluate_frames",
    "figures_json",
    "figures_table",
    "read_labels",
]
