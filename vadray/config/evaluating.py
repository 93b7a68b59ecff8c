"""Options of the commands that judge detectors."""

from typing import Any

from pydantic import Field

from vadray.config.options import ClusterOptions, Listed, UnitOptions


class EvaluateOptions(ClusterOptions, UnitOptions):
    bundle: str = Field(
        description="bundle to evaluate; or the name of a detector, which is trained on the set's normal half"
    )
    dataset: str = Field(
        description="labelled set: labels.json, class folders, MVTec AD, UCSD, Avenue, ShanghaiTech or UCF-Crime"
    )
    out: str | None = Field(None, description="folder for evaluation.json, evaluation.md and plots")
    pattern: str | None = Field(None, description="where camera and time stand in paths")
    compare: Listed[str] = Field(
        default_factory=list,
        description="bundles to compare with, or names of detectors, which are trained on the set's normal half",
    )
    motion_table: bool = Field(
        False,
        description="also motion, adaptive learning rate and accuracy of each video, as motion.md and motion.json",
    )
    learned: bool = Field(
        False,
        description="also judge by objects that the bundle has learned from labels; by default they are left out",
    )
    robustness: bool = Field(
        False, description="also AUC against graded noise, blur, JPEG, … and attacks (FGSM, PGD)"
    )
    robustness_objects: int | None = Field(
        None, ge=1, description="labelled videos or images that robustness is studied on; default: all"
    )
    seeds: Listed[int] = Field(
        default_factory=lambda: [0], min_length=1, description="trainings of each detector in a comparison"
    )
    training: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="options of `train` in a comparison, by detector, or all: {stae: {epochs: 20}}",
    )


class PaperOptions(ClusterOptions, UnitOptions):
    out: str = Field(description="local folder for data, bundles and the comparison")
    archive: str | None = Field(None, description="labelled set of one's own; default: synthetic data")
    scale: float = Field(
        1.0, gt=0, le=1, description="share of the paper's 10,000 images and 50 videos to make"
    )
    seed: int = Field(0, description="of data, split and training")
    detectors: Listed[str] = Field(
        default_factory=lambda: ["stae", "std", "stcen", "amae", "conv_ae", "vae", "dense_ae"],
        min_length=1,
        description="what is compared",
    )
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(0.001, gt=0)
    units: int = Field(256, ge=1, description="hidden units of the LSTM layers of stae")
    training: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="further options of `train`, by detector, or all"
    )
