"""`vadray explain`: why an event's peak scored as it did, in one picture."""

from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vadray import storage
from vadray.bundle import Bundle, open_bundle
from vadray.config import ExplainOptions
from vadray.detectors.base import Detector
from vadray.errors import RequestError
from vadray.media.isolation import IsolatedDecoder
from vadray.report.sql import database
from vadray.report.tables import read_commit
from vadray.sweep.scorer import Scorer
from vadray.sweep.units import frame_shape
from vadray.viewing.footage import Footage, decode_span, find_footage, frames_numbered

Panel = tuple[str, np.ndarray]  # a picture `[rows, columns, channels]` in 0 to 1, or a map `[rows, columns]`

SAME_SCORE = 1e-5  # relative: scores depend on nothing but the frames and the weights


def explain(options: ExplainOptions) -> dict[str, Any]:
    """Scores an event's peak again and draws input, what the detector holds for normal, difference and error map.

    Returns:
        `event_id`, `object_uri`, `out`, the peak's `frame_index` and `time_s`, its `score` now and `recorded_score`,
        whether they are the `same`, and the names of the `panels`.

    Raises:
        RequestError: There is no such event, its object cannot be read as it was swept, or the bundle is not the one
            that scored it.
    """
    if options.out:
        storage.checked_ending(options.out, "out", [".png"])
    report = storage.folder(options.report, "report")
    with database(report) as connection:
        footage = find_footage(connection, report, options.event)
        bundle = _bundle_of(report, footage, options.bundle)
        detector = bundle.load_detector()
        # windows are anchored at the object's first frame: the peak's ends with its stride
        begin = footage.event["peak_frame"] // detector.stride * detector.stride
        first = max(0, begin - detector.context)
        frames = frames_numbered(connection, footage, first, begin + detector.stride - 1)
    out = options.out or f"{footage.event['event_id']}.png"
    pictures = _decoded(footage, frames, bundle, options)
    lead, peak = begin - first, footage.event["peak_frame"] - begin
    score, error_map, _ = Scorer(detector).score(pictures, lead)
    recorded = float(frames["score"][lead + peak].as_py())
    whole = _whole_windows(detector, pictures, lead)
    seen = pictures[lead + peak, ..., : detector.channels] / 255.0
    panels: list[Panel] = [("input", seen), *_normality(detector, whole, seen, peak)]
    panels.append((f"error map, highest {score[peak]:.4g}", error_map[peak]))
    storage.write_bytes(out, _drawn(footage, detector, panels))
    return {
        "event_id": footage.event["event_id"],
        "object_uri": footage.event["object_uri"],
        "out": storage.absolute(out),
        "frame_index": footage.event["peak_frame"],
        "time_s": frames["time_s"][lead + peak].as_py(),
        "score": float(score[peak]),
        "recorded_score": recorded,
        "same": bool(abs(score[peak] - recorded) <= SAME_SCORE * max(abs(recorded), 1e-12)),
        "panels": [name for name, _ in panels],
    }


def _bundle_of(report: str, footage: Footage, given: str | None) -> Bundle:
    """The bundle that scored the object: the one that is given, or where the sweep found it."""
    digest = footage.row["scoring_digest"]
    commit = read_commit(report, footage.event["sweep"]) or {}
    paths = [one["path"] for one in commit.get("bundles", []) if one["scoring_digest"] == digest]
    if given is None and not paths:
        raise RequestError(
            f"bundle: expected the one that scored the event, which the sweep {footage.event['sweep']} does not name"
        )
    bundle = open_bundle(given or paths[0])
    if digest not in (bundle.digest_in("float32"), bundle.digest_in("bfloat16")):
        raise RequestError(
            f"bundle: expected the one that scored the event (scoring digest {digest}), received {bundle.uri} "
            f"({bundle.scoring_digest}); bundle= says where the other is"
        )
    return bundle


def _decoded(footage: Footage, frames: pa.Table, bundle: Bundle, options: ExplainOptions) -> np.ndarray:
    """The frames, uint8 `[n, height, width, input_channels]`, as the sweep saw them."""
    shape = frame_shape(bundle, None, options.clip_fps)
    times = frames["time_s"].to_numpy()
    with IsolatedDecoder(options.decode_memory_mib * 2**20, options.decode_timeout_s) as decoder:
        found = [picture for _, picture in decode_span(footage, times[0], times[-1], shape, decoder)]
    if len(found) != len(times):
        raise RequestError(
            f"{footage.event['object_uri']}: expected {len(times)} frames around the peak, decoded {len(found)}"
        )
    return np.stack(found)


def _whole_windows(detector: Detector, pictures: np.ndarray, lead: int) -> Any:
    """The frames with what the scorer pads windows with, prepared."""
    before = [pictures[:1]] * (detector.context - lead)
    behind = [pictures[-1:]] * (-(len(pictures) - lead) % detector.stride)
    return detector.prepare(np.concatenate([*before, pictures, *behind]))


def _normality(detector: Detector, frames: Any, seen: np.ndarray, peak: int) -> list[Panel]:
    """What the detector holds for normal, where it makes a picture of it, and what each kind of error adds."""
    panels: list[Panel] = []
    if type(detector).reconstruct is not Detector.reconstruct:
        normal = np.asarray(detector.reconstruct(frames))[peak]
        panels += [
            ("normal to the detector", np.clip(normal, 0, 1)),
            ("difference", np.abs(seen - normal).mean(-1)),
        ]
    if len(detector.kinds_of_error) > 1:
        parts, _ = detector.parts(frames)
        panels += [
            (f"by {kind}", np.asarray(part)[peak])
            for kind, part in zip(detector.kinds_of_error, parts, strict=True)
        ]
    return panels


def _drawn(footage: Footage, detector: Detector, panels: list[Panel]) -> bytes:
    """The panels as a PNG; every one in pixels of the input, whatever its own resolution."""
    figure = Figure(figsize=(4.2 * len(panels), 4.6), layout="constrained")
    for axes, (title, shown) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        picture = shown.ndim == 3
        how = {"cmap": "gray", "vmin": 0, "vmax": 1} if picture else {"cmap": "magma", "vmin": 0}
        image = axes.imshow(shown.squeeze(), extent=(0, detector.width, detector.height, 0), **how)
        axes.add_patch(_box(footage, detector))
        axes.set_title(title, fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([])
        if not picture:
            figure.colorbar(image, ax=axes, fraction=0.046)
    event = footage.event
    figure.suptitle(
        f"{event['object_uri']}\nframe {event['peak_frame']}, event {event['event_id']}, p {event['p_value']:.2g}",
        fontsize=10,
        parse_math=False,
    )
    png = BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return png.getvalue()


def _box(footage: Footage, detector: Detector) -> Rectangle:
    event, row = footage.event, footage.row
    across, down = detector.width / row["width"], detector.height / row["height"]
    corner = event["box_x"] * across, event["box_y"] * down
    return Rectangle(
        corner, event["box_w"] * across, event["box_h"] * down, fill=False, edgecolor="#eb2828", linewidth=2
    )
