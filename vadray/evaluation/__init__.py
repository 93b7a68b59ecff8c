"""How well a bundle does on a labelled set: labels, metrics, tables and plots."""

from vadray.evaluation.alarms import false_alarms_per_hour, normal_hours
from vadray.evaluation.datasets import LabelledSet, ObjectLabels, read_labels, split_videos
from vadray.evaluation.metrics import Figures, FrameSet, evaluate_frames
from vadray.evaluation.pixel import PixelHistogram, pixel_figures
from vadray.evaluation.regions import Boxes, rbdc_of_boxes, rbdc_of_maps, threshold_levels
from vadray.evaluation.table import figures_json, figures_table

__all__ = [
    "Boxes",
    "Figures",
    "FrameSet",
    "LabelledSet",
    "ObjectLabels",
    "PixelHistogram",
    "evaluate_frames",
    "false_alarms_per_hour",
    "figures_json",
    "figures_table",
    "normal_hours",
    "pixel_figures",
    "rbdc_of_boxes",
    "rbdc_of_maps",
    "read_labels",
    "split_videos",
    "threshold_levels",
]
