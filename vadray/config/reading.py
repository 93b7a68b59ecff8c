"""Options of the commands that read a report."""

from typing import Literal

from pydantic import Field

from vadray.config.options import DecodeOptions, Options
from vadray.config.sweeping import VerifyOptions


class ReportOptions(VerifyOptions):
    pass


class QueryOptions(Options):
    report: str = Field(description="the report to ask")
    sql: str = Field(
        description="a SELECT over frames, events, objects, sweeps, labels, health and cameras, as DuckDB understands it"
    )
    limit: int = Field(100, ge=1, description="rows to show, and to give as JSON")
    out: str | None = Field(
        None, description="write all rows to this file instead: .jsonl, .csv or .parquet, local or s3://"
    )


class ExportOptions(VerifyOptions):
    out: str = Field(description="file to write, local or s3://: .jsonl, .csv or .parquet")
    table: Literal["events", "objects", "frames"] = Field("events", description="which rows")
    pictures: bool = Field(False, description="with the thumbnails of events, in base64")


class LabelOptions(Options):
    report: str = Field(description="the report that holds the event")
    event: str = Field(description="the event's id, or as much of its beginning as names it alone")
    verdict: Literal["right", "wrong", "none"] = Field(
        description="right: something unusual is to be seen; wrong: a false alarm; none: take back what was said before"
    )
    by: str | None = Field(None, description="who says so")
    note: str | None = Field(None, description="why")


class ViewOptions(DecodeOptions):
    report: str = Field(description="the report that holds the event")
    event: str = Field(description="the event's id, or as much of its beginning as names it alone")
    clip_fps: float = Field(25.0, gt=0, description="frames per second of folders of numbered frames")


class ClipOptions(ViewOptions):
    out: str | None = Field(None, description="the film, local or s3://; default: EVENT.mp4 in this folder")
    before_s: float = Field(3.0, ge=0, description="seconds before the event")
    after_s: float = Field(3.0, ge=0, description="seconds after it")
    most_s: float = Field(120.0, gt=0, description="of what is longer, so many seconds around the peak")


class ExplainOptions(ViewOptions):
    out: str | None = Field(
        None, description="the picture, local or s3://; default: EVENT.png in this folder"
    )
    bundle: str | None = Field(
        None, description="the bundle that scored it; default: where the sweep found it"
    )
