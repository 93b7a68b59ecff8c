"""Options of the nightly job and of what looks after its report."""

from typing import Any, Literal

from pydantic import Field, field_validator

from vadray.config.options import ArchiveOptions, ClusterOptions, LeaseOptions, Options, UnitOptions


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
