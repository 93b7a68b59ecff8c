"""What an evaluation leaves in its folder: figures, each frame's score beside its label, and plots."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vadray import storage
from vadray.evaluation.metrics import Figures
from vadray.evaluation.plots import Curve, confusion_png, pr_png, roc_png, scores_png
from vadray.evaluation.scored import ScoredObject
from vadray.evaluation.table import figures_json, figures_table

SCORES = "scores.parquet"


def write_evaluation(
    out: str, name: str, title: str, figures: Figures, scored: Sequence[ScoredObject]
) -> None:
    """Writes `evaluation.{json,md}`, `scores.parquet`, `roc.png`, `precision_recall.png`, `confusion.png`, `scores/*.png`.

    Args:
        out: Folder or prefix.
        name: Of the detector.
        title: Of the plots.
        figures: What was reached.
        scored: Every object.
    """
    frames = [one.frames for one in scored]
    labels = np.concatenate([one.labels for one in frames])
    score = np.concatenate([one.score for one in frames])
    files = {
        "evaluation.json": figures_json(figures).encode(),
        "evaluation.md": figures_table({name: figures}).encode(),
        SCORES: _scores_table(scored),
        "confusion.png": confusion_png(labels, np.concatenate([one.flags for one in frames]), title=title),
    }
    if labels.any() and not labels.all():
        files["roc.png"] = roc_png({name: (labels, score)}, title=title)
        files["precision_recall.png"] = pr_png({name: (labels, score)}, title=title)
    for one in scored:
        own = one.frames
        if len(own.score) > 1:
            picture = scores_png(
                own.score, title=own.object, time_s=one.time_s, labels=own.labels, flags=own.flags
            )
            files[f"scores/{own.object.replace('/', '_')}.png"] = picture
    for path, content in files.items():
        storage.write_bytes(storage.join(out, path), content)


def read_curve(out: str) -> Curve:
    """Labels and calibrated scores of all frames that `write_evaluation` left in `out`."""
    table = pq.read_table(BytesIO(storage.read_bytes(storage.join(out, SCORES))))
    return table["anomalous"].to_numpy(), table["score"].to_numpy()


def _scores_table(scored: Sequence[ScoredObject]) -> bytes:
    """A row a frame: object, frame, time_s, label, calibrated and raw score, whether it is flagged."""
    table = pa.concat_tables(
        pa.table(
            {
                "object": [one.frames.object] * len(one.time_s),
                "frame": np.arange(len(one.time_s)),
                "time_s": one.time_s,
                "anomalous": one.frames.labels,
                "score": one.frames.score,
                "raw": one.frames.raw,
                "flagged": one.frames.flags,
            }
        )
        for one in scored
    )
    buffer = BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
