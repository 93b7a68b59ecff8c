"""Options that several commands share, and what all are made of."""

import re
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def comma_separated(value: Any) -> Any:
    """A list from `a,b` or from one value."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value if isinstance(value, list) else [value]


_Item = TypeVar("_Item")
Listed = Annotated[list[_Item], BeforeValidator(comma_separated)]  # of options that take `a,b` too


class Options(BaseModel):
    """Base of every command's options. Units are in names or descriptions; descriptions become `--help`."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _read_collections(cls, values: Any) -> Any:
        """`[…]` and `{…}` from the command line, where a list or mapping is expected: a pattern has braces too."""
        return {key: cls._read_collection(key, value) for key, value in values.items()}

    @classmethod
    def _read_collection(cls, key: str, value: Any) -> Any:
        field = cls.model_fields.get(key)
        if field is None or not isinstance(value, str) or not value.startswith(("[", "{")):
            return value
        if not {"list", "dict", "tuple"} & set(re.findall(r"\w+", str(field.annotation))):
            return value
        try:
            return yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(
                f"{key}: expected a YAML list or mapping, received {value!r} ({error})"
            ) from None


class ArchiveOptions(Options):
    archive: str = Field(description="folder, s3:// prefix or single file to read")
    pattern: str | None = Field(
        None, description="where camera and time stand in paths, as {camera}/{captured_at:%Y-%m-%d}/{...}"
    )
    clips: bool = Field(
        True, description="folders of numbered pictures are clips when a video detector is used"
    )
    cameras: Listed[str] = Field(
        default_factory=list, description="only objects of cameras that one of these globs fits; default: all"
    )
    since: str | None = Field(
        None, description="only objects captured (or else modified) at or after this ISO time, UTC"
    )
    until: str | None = Field(
        None, description="only objects captured (or else modified) before this ISO time, UTC"
    )


class DecodeOptions(Options):
    decode_timeout_s: float = Field(
        120.0, gt=0, description="longest wait for the next decoded frames of one file"
    )
    decode_memory_mib: int = Field(4096, ge=256, description="address space of one decoding process")


class ClusterOptions(DecodeOptions):
    actors: int | None = Field(None, ge=1, description="decode actors; default: what the cluster's CPUs hold")
    gpus: int | None = Field(
        None, ge=0, description="GPU score actors; default: the cluster's GPUs, 0 scores on CPU"
    )
    max_actors: int | None = Field(
        None,
        ge=1,
        description="decode actors on a cluster that brings machines when they are asked for: they are, and the pool grows "
        "to so many as they come; default: what is there",
    )
    max_gpus: int | None = Field(None, ge=0, description="GPU score actors likewise")
    scorers_per_gpu: int = Field(
        1, ge=1, description="score actors that share a GPU, where one alone does not fill it"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="what the layers compute in; bfloat16 is for GPUs: scores change by less than a percent, and are "
        "told apart from those in float32",
    )
    fuse: bool | None = Field(
        None, description="decode and score in one actor; default: only where no GPU scores"
    )
    on_loss: Literal["shrink", "wait", "stop"] = Field(
        "shrink",
        description="when a node is lost and the actors no longer fit: shrink goes on with those that do",
    )
    stall_s: float = Field(
        1800.0, gt=0, description="seconds without a result after which scoring stops with exit status 5"
    )


class UnitOptions(Options):
    unit_frames: int | None = Field(
        None, ge=1, description="frames of a unit; default: what fits 32 MiB decoded"
    )
    scan_frames: int = Field(
        100_000,
        ge=0,
        description="a video without an index that tells where to cut it, and with more frames than that, is read "
        "through once while planning and cut too; it is one unit otherwise",
    )
    clip_fps: float = Field(25.0, gt=0, description="frames per second of folders of numbered frames")
    unit_images: int = Field(64, ge=1, description="most images in a unit")


class CalibrationOptions(Options):
    threshold: Literal["auto", "false_alarms_per_hour", "quantile", "sigma", "mad", "evt", "fixed"] = Field(
        "auto", description="auto: false_alarms_per_hour for video, quantile for images"
    )
    false_alarms_per_hour: float = Field(1.0, gt=0, description="tolerable false events per camera-hour")
    quantile: float = Field(0.99, gt=0, lt=1, description="share of normal frames below the threshold")
    sigma: float = Field(3.0, gt=0, description="standard deviations (or scaled MADs) above the centre")
    fixed: float | None = Field(None, description="threshold by domain knowledge, in raw score")
    smoothing: Literal["mean", "markov"] = Field(
        "mean",
        description="of the scores of one video: the mean over `smooth_s`, or the log odds of a hidden Markov model, which "
        "finds long and faint events and keeps the edges of short ones; its scale is that of all cameras together",
    )
    smooth_s: float = Field(
        0.8, ge=0, description="with smoothing=mean: seconds over which scores of one video are averaged"
    )
    min_event_s: float = Field(0.0, ge=0, description="shorter events are dropped")
    merge_gap_s: float = Field(1.0, ge=0, description="events closer than this are one")
    per_camera: bool = Field(False, description="a threshold for each camera with enough data")
    per_hour: bool = Field(
        False,
        description="with per_camera: and for each hour of the day (UTC) with enough normal footage; for a rate of one an hour that is 3 hours of that hour",
    )

    @model_validator(mode="after")
    def _hours_are_of_cameras(self) -> "CalibrationOptions":
        if self.per_hour and not self.per_camera:
            raise ValueError("per_hour: expected per_camera=true too, received per_camera=false")
        return self


class LeaseOptions(Options):
    lease_s: float = Field(
        30.0, ge=1, description="seconds of silence after which another driver takes this work over"
    )
    wait: bool = Field(
        True, description="wait while another driver does this work; otherwise leave with exit status 4"
    )
    single_driver: bool = Field(
        False,
        description="hold no lease: for stores without conditional writes, where only one driver can run",
    )
