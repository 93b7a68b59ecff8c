"""Options of the commands that show what there is, and what a machine does with it."""

from typing import Literal

from pydantic import Field

from vadray.config.options import ClusterOptions, LeaseOptions, Listed, Options


class SynthOptions(Options):
    out: str = Field(description="folder to write")
    seed: int = Field(0)
    kind: Literal["all", "video", "image"] = Field("all")
    base: str | None = Field(
        None,
        description="folder of recordings of a fixed camera, all normal: every second one is copied to train/, and in clips "
        "of the others anomalies are planted; in place of drawn scenes",
    )


class DemoOptions(Options):
    out: str = Field("demo", description="folder for archive/, bundle/, bundle-image/ and report/")
    seed: int = Field(0)


class DoctorOptions(ClusterOptions, LeaseOptions):
    archive: str | None = Field(None, description="archive to try to read")
    pattern: str | None = Field(None, description="where camera and time stand in its paths")
    out: str | None = Field(None, description="report whose store is tried for conditional writes")
    bundle: Listed[str] = Field(default_factory=list, description="bundles to open")


class BenchOptions(Options):
    name: Literal["alarms", "decode", "memory", "resume", "scale", "score", "sweep", "train"] = Field(
        description="alarms: whether unseen normal footage gives the rate that was asked for; decode: media to small frames, on one core; memory: of a long recording beside a short one; resume: how soon a restarted sweep does useful work; "
        "scale: planning many objects, and a simulated cluster; score: detectors on this machine's device; sweep: scoring on Ray "
        "against plain processes and a plain loop; train: two workers against one"
    )
    hours: float = Field(
        24.0,
        gt=0,
        description="memory: of the long recording; alarms: of unseen footage, with three times as much to calibrate",
    )
    seed: int = Field(0, description="alarms: of the synthetic cameras")
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
