"""How much of a detector's figures is left on worse pictures, and against who changes them on purpose.

corruptions.py   noise, blur, JPEG, brightness, dropped frames, a moved camera, at five strengths
attacks.py       FGSM and PGD against the score
study.py         scores of every case, and what they come to
summary.py       the same as a table, a plot and plain numbers
bundle.py        a bundle on a labelled set: the one part that reads files
"""

from vadray.evaluation.robustness.corruptions import CORRUPTIONS, corrupt, corruptions_of
from vadray.evaluation.robustness.study import Case, LabelledFrames, RobustnessRow, corruption_cases, study
from vadray.evaluation.robustness.summary import robustness_png, robustness_table

__all__ = [
    "CORRUPTIONS",
    "Case",
    "LabelledFrames",
    "RobustnessRow",
    "corrupt",
    "corruption_cases",
    "corruptions_of",
    "robustness_png",
    "robustness_table",
    "study",
]
