"""Options of the commands that make bundles."""

from typing import Any, Literal

from pydantic import Field, field_validator

from vadray.config.options import ArchiveOptions, CalibrationOptions, ClusterOptions, UnitOptions


class TrainOptions(ArchiveOptions, ClusterOptions, UnitOptions, CalibrationOptions):
    detector: str = Field(description="name of the detector; see `vadray models`")
    out: str = Field(description="where the bundle is written")
    overwrite: bool = Field(False, description="replace a bundle that is already there")
    size: tuple[int, int] | None = Field(
        None, description="rows and columns of the detector's input, as 128,192"
    )
    channels: Literal[1, 3] = Field(1, description="1 grey, 3 RGB")
    window: int | None = Field(None, ge=1, description="frames that the detector sees at once")
    stride: int = Field(1, ge=1, description="frames by which windows move while scoring")
    temporal: str | None = Field(None, description="model of time, where the detector has a choice")
    units: int | None = Field(
        None, ge=1, description="hidden units of the temporal layers, where it has them"
    )
    target: Literal["reconstruction", "prediction"] | None = Field(
        None, description="what the detector learns to produce, where it has a choice"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="further arguments of the detector, as {code_channels: 4}; see its docstring",
    )
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(32, ge=1, description="windows in a step, over all workers")
    learning_rate: float = Field(0.001, gt=0)
    schedule: Literal["constant", "cosine", "plateau", "temporal"] = Field(
        "constant",
        description="of the learning rate; plateau: halved after 3 epochs without improvement, temporal: by motion",
    )
    init: str | None = Field(
        None,
        description="bundle to start from: all its weights if detector and configuration are the same, else its encoder's",
    )
    seed: int = Field(0, description="of weights, shuffling and the validation split")
    validation: float = Field(
        0.2, gt=0, lt=1, description="share of videos (or images) held out, for validation and calibration"
    )
    folds: int | None = Field(
        None,
        ge=2,
        description="parts of the footage, each scored by a detector fitted on the others, so that all of it calibrates and "
        "all of it is learned from; for detectors that are fitted in one pass",
    )
    test: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="share of a labelled set left for evaluation, where the detector learns from labels",
    )
    patience: int = Field(8, ge=1, description="epochs without improvement before training stops early")
    window_step: int | None = Field(
        None, ge=1, description="frames between training windows; default: half a window"
    )
    steps_per_epoch: int | None = Field(None, ge=1, description="cap on the steps of an epoch")
    workers: int = Field(1, ge=1, description="data-parallel training workers")
    worker_cpus: float | None = Field(
        None, gt=0, description="CPUs of each worker; default: leaves some for the feed"
    )
    max_failures: int = Field(3, ge=0, description="restarts from the last checkpoint after a worker dies")

    @field_validator("size", mode="before")
    @classmethod
    def _split_size(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class TuneOptions(TrainOptions):
    space: dict[str, Any] = Field(
        default_factory=dict,
        description="what to try, ends included: {learning_rate: {loguniform: [1e-4, 1e-2]}, temporal: {choice: "
        "[lstm, tcn]}, settings.code_channels: {randint: [4, 32]}}; also uniform",
    )
    trials: int = Field(16, ge=2, description="trainings, the first of which is the options as they are")
    grace_epochs: int | None = Field(
        None, ge=1, description="epochs before a trial can be cut; default: a tenth of epochs"
    )
    reduction: float = Field(3.0, gt=1, description="of the trials that get so far, 1 in how many goes on")
    concurrent: int | None = Field(None, ge=1, description="trials at once; default: what the cluster holds")


class CalibrateOptions(ArchiveOptions, ClusterOptions, UnitOptions, CalibrationOptions):
    bundle: str = Field(description="bundle to calibrate; its weights stay as they are")
    out: str | None = Field(None, description="where the recalibrated bundle goes; default: in place")
    labels: str | None = Field(
        None,
        description="report whose events were judged (`vadray label`): those judged right are left out of normal footage",
    )
