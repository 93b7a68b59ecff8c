"""Labelled sets: which archive to score, and what is true of each object in it. One file a layout."""

from vadray.evaluation.datasets.detect import read_labels
from vadray.evaluation.datasets.labelled import LabelledSet, MaskReader, ObjectLabels
from vadray.evaluation.datasets.split import Split, split_videos

__all__ = ["LabelledSet", "MaskReader", "ObjectLabels", "Split", "read_labels", "split_videos"]
