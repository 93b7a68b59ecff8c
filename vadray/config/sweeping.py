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
    canary: list[Route] = Field(
        default_factory=list,
        description="bundles that score the same objects too, into OUT/_canary; what they find otherwise is told",
    )
    canary_share: float = Field(1.0, gt=0, le=1, description="share of the objects that they score")
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
    thumbnails: bool | Literal["blurred"] = Field(
        True, description="small pictures of each event: true, blurred so that nobody can be told, or false"
    )

    rules: str | None = Field(
        None, description="YAML file of rules: regions, hours, sizes and places in which there are no events"
    )
    health: bool = Field(
        True,
        description="name cameras that are dark, frozen, blurred or moved, and make no events of what they show then",
    )

    notify: str | None = Field(
        None,
        description="http(s) address that is told, as JSON by POST, of the commit, of a failure and of the first severe "
        "moment; default: VADRAY_NOTIFY of the environment, where an address that is secret belongs",
    )
    notify_p: float = Field(
        1e-6, gt=0, le=1, description="p-value from which on a moment is severe enough to tell of at once"
    )

    @property
    def pictures(self) -> Literal["clear", "blurred", "none"]:
        """`thumbnails`, as one kind of thing."""
        if isinstance(self.thumbnails, bool):
            return "clear" if self.thumbnails else "none"
        return self.thumbnails

    @field_validator("bundle", "canary", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        entries = value if isinstance(value, list) else [] if value is None else [value]
        return [{"path": entry} if isinstance(entry, str) else entry for entry in entries]


class PlanOptions(SweepOptions):
    out: str = Field("report", description="the report whose earlier sweeps tell what is unchanged")


class VerifyOptions(Options):
    report: str = Field(description="the report")
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
    events_days: float | None = Field(
        None, ge=0, description="drop the events of sweeps committed longer ago; default: keep them"
    )
    pictures_days: float | None = Field(
        None,
        ge=0,
        description="take the pictures out of events and pages of sweeps committed longer ago; default: keep them",
    )


class ForgetOptions(LeaseOptions):
    report: str = Field(description="the report that forgets")
    object_uri: str = Field(description="the object: its path, s3:// address, or shard.tar#member")
