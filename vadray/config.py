"""The options of every command, typed."""

import re
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator


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


class ClusterOptions(Options):
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
    decode_timeout_s: float = Field(
        120.0, gt=0, description="longest wait for the next decoded frames of one file"
    )
    decode_memory_mib: int = Field(4096, ge=256, description="address space of one decoding process")
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
    smooth_s: float = Field(0.8, ge=0, description="seconds over which scores of one video are averaged")
    min_event_s: float = Field(0.0, ge=0, description="shorter events are dropped")
    merge_gap_s: float = Field(1.0, ge=0, description="events closer than this are one")
    per_camera: bool = Field(False, description="a threshold for each camera with enough data")


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


class Route(Options):
    """Which objects a bundle scores."""

    path: str = Field(description="the bundle")
    kind: Literal["image", "video"] | None = Field(
        None, description="default: what the bundle's detector scores"
    )
    camera: str | None = Field(None, description="glob on the camera")
    pattern: str | None = Field(None, description="glob on the path within the archive")


class SweepOptions(ArchiveOptions, ClusterOptions, UnitOptions, LeaseOptions):
    bundle: list[Route] = Field(
        min_length=1, description="one or several bundles; the first that fits an object scores it"
    )
    out: str = Field(description="where the report is")
    sweep_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="default: from archive, date, bundles and what is asked for",
    )
    all: bool = Field(
        False, description="also score objects that an earlier sweep has scored with the same bundle"
    )
    since: str | None = Field(
        None,
        description="only objects captured (or else modified) at or after this ISO time, UTC; last: of each camera what "
        "was captured after the newest object of a committed sweep",
    )
    late_days: float | None = Field(
        None,
        ge=0,
        description="move since back by so much, for recordings that arrive late; what was scored is not scored again; "
        "default: 7 where since is last, else 0",
    )
    retry_quarantined: bool = Field(False, description="also try again what an earlier sweep has quarantined")
    dry_run: bool = Field(False, description="plan, say what would be done, and write nothing")
    max_quarantined: float = Field(
        0.05,
        ge=0,
        description="share (below 1) or count of quarantined objects beyond which the exit status is 3",
    )
    thumbnails: bool = Field(True, description="keep a small picture of each event's peak")

    @field_validator("bundle", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        entries = value if isinstance(value, list) else [value]
        return [{"path": entry} if isinstance(entry, str) else entry for entry in entries]


class PlanOptions(SweepOptions):
    out: str = Field("report", description="the report whose earlier sweeps tell what is unchanged")


class VerifyOptions(Options):
    report: str = Field(description="the report to check")
    sweep_id: str | None = Field(None, description="default: the latest")


class ReportOptions(VerifyOptions):
    pass


class DoctorOptions(ClusterOptions, LeaseOptions):
    archive: str | None = Field(None, description="archive to try to read")
    pattern: str | None = Field(None, description="where camera and time stand in its paths")
    out: str | None = Field(None, description="report whose store is tried for conditional writes")
    bundle: Listed[str] = Field(default_factory=list, description="bundles to open")


class StatusOptions(Options):
    report: str = Field(description="the report that the sweep writes")
    sweep_id: str | None = Field(None, description="default: the one that was begun, or gone on with, last")


class CompactOptions(LeaseOptions):
    report: str = Field(description="the report whose small files become large ones")
    sweep_id: str | None = Field(None, description="default: all committed sweeps")
    target_mib: int = Field(
        256, ge=1, description="size of a file to aim at: they become half to one and a half of it"
    )
    frames_days: float | None = Field(
        None, ge=0, description="drop the frames of sweeps committed longer ago; default: keep them"
    )
    scores_days: float | None = Field(
        None, ge=0, description="drop the unit scores of sweeps committed longer ago; default: keep them"
    )


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


class SynthOptions(Options):
    out: str = Field(description="folder to write")
    seed: int = Field(0)
    kind: Literal["all", "video", "image"] = Field("all")


class DemoOptions(Options):
    out: str = Field("demo", description="folder for archive/, bundle/, bundle-image/ and report/")
    seed: int = Field(0)


class BenchOptions(Options):
    name: Literal["decode", "memory", "resume", "scale", "score", "sweep", "train"] = Field(
        description="decode: media to small frames, on one core; memory: of a long recording beside a short one; resume: how soon a restarted sweep does useful work; "
        "scale: planning many objects, and a simulated cluster; score: detectors on this machine's device; sweep: scoring on Ray "
        "against plain processes and a plain loop; train: two workers against one"
    )
    hours: float = Field(24.0, gt=0, description="memory: of the long recording")
    data: str | None = Field(None, description="decode: a video of one's own, too")
    rounds: int = Field(3, ge=1, description="measured so often, by turns; the median counts")
    objects: int = Field(1_000_000, ge=1000, description="resume, scale: objects of the sweep")
    detectors: Listed[str] = Field(
        default_factory=list, description="score: which; default: all that need no fitting"
    )
    done: float = Field(
        0.99, ge=0, lt=1, description="resume: share of them that an earlier attempt has scored"
    )
    unit_images: int = Field(1, ge=1, description="resume, scale: objects of a unit; 1 makes the most units")
    gpu_frames_per_s: Listed[float] = Field(
        default_factory=lambda: [5000.0], min_length=1, description="scale: what a GPU is taken to score"
    )
    cpu_hour: float = Field(0.04, ge=0, description="scale: price of a CPU for an hour")
    gpu_hour: float = Field(2.0, ge=0, description="scale: price of a GPU for an hour")
    out: str | None = Field(
        None, description="resume, scale: folder or s3:// prefix for the objects; default: a temporary folder"
    )


class ModelsOptions(Options):
    pass
