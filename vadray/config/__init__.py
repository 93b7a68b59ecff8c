"""The options of every command, typed."""

from vadray.config.evaluating import EvaluateOptions, PaperOptions
from vadray.config.options import (
    ArchiveOptions,
    CalibrationOptions,
    ClusterOptions,
    LeaseOptions,
    Listed,
    Options,
    UnitOptions,
    comma_separated,
)
from vadray.config.reading import (
    ClipOptions,
    ExplainOptions,
    ExportOptions,
    LabelOptions,
    QueryOptions,
    ReportOptions,
    ViewOptions,
)
from vadray.config.rules import Repeats, Rule, Rules
from vadray.config.sweeping import (
    CompactOptions,
    ForgetOptions,
    PlanOptions,
    Route,
    StatusOptions,
    SweepOptions,
    VerifyOptions,
)
from vadray.config.training import CalibrateOptions, TrainOptions, TuneOptions
from vadray.config.trying import BenchOptions, DemoOptions, DoctorOptions, ModelsOptions, SynthOptions

__all__ = [
    "ArchiveOptions",
    "BenchOptions",
    "CalibrateOptions",
    "CalibrationOptions",
    "ClipOptions",
    "ClusterOptions",
    "CompactOptions",
    "DemoOptions",
    "DoctorOptions",
    "EvaluateOptions",
    "ExplainOptions",
    "ExportOptions",
    "ForgetOptions",
    "LabelOptions",
    "LeaseOptions",
    "Listed",
    "ModelsOptions",
    "Options",
    "PaperOptions",
    "PlanOptions",
    "QueryOptions",
    "Repeats",
    "ReportOptions",
    "Route",
    "Rule",
    "Rules",
    "StatusOptions",
    "SweepOptions",
    "SynthOptions",
    "TrainOptions",
    "TuneOptions",
    "UnitOptions",
    "VerifyOptions",
    "ViewOptions",
    "comma_separated",
]
