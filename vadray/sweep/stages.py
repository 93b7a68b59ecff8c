"""The stages of a sweep as callables for Ray Data: a row is some units, then one chunk of one of them.

    units → DecodeStage → ScoreStage → summaries      with GPUs: a GPU never waits inside a decoder
    units → DecodeAndScoreStage → summaries           without: frames stay in the process

The functions below the stages know nothing of Ray.
"""

import dataclasses
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vadray.bundle import Precision, open_bundle
from vadray.calibration.events import IMAGE_RULES, EventRules
from vadray.media.request import DecodedChunk, MemberInfo
from vadray.sweep import scores
from vadray.sweep.moments import Pictures, moments, views
from vadray.sweep.scorer import Scorer, configure_device, timed_score, to_picture_pixels
from vadray.sweep.units import FrameShape, UnitDecoder, empty_chunk

if TYPE_CHECKING:
    from vadray.sweep.tries import Tries

SHOWN_SCORES = 32  # of a chunk, spread over it
SUMMARY = pa.schema(
    [
        ("unit_id", pa.string()),
        ("bundle", pa.int32()),
        ("chunk", pa.int32()),
        ("last", pa.bool_()),
        ("frames", pa.int64()),
        (
            "errors",
            pa.list_(pa.struct([("member", pa.int32()), ("reason", pa.string()), ("error", pa.string())])),
        ),  # unreadable members
        ("decode_s", pa.float64()),
        ("score_s", pa.float64()),
        (
            "peak",
            pa.struct([("score", pa.float64()), ("time_s", pa.float64()), ("member", pa.int32())]),
        ),  # smoothed
        ("scores", pa.list_(pa.float32())),  # some
    ]
)
BEHIND_ALL = 99_999  # number of a chunk that follows all others


@dataclass(frozen=True)
class StageSettings:
    """What the stages need, the same for every actor.

    Args:
        bundles: URIs, by the plan's `bundle` index.
        shapes: What each bundle wants of the decoder.
        scores_folder: Where score files go; None passes whole score rows on instead.
        pictures: Of the highest-scoring moments, and of each camera's view.
        decode_timeout_s: Longest wait for the next frames of one file.
        decode_memory_mib: Address space of a decoding process.
        threads: CPU threads of a scorer, 0 for TensorFlow's choice.
        gpu: Whether scorers have a GPU.
        per_gpu: How many of them share one.
        precision: What detectors' layers compute in.
        tries: Counts how often work is begun; what kills its workers is given up.
        error_maps: Pass error maps on with the score rows, where these are passed on: for evaluation. A sweep has
            no use for them.
    """

    bundles: tuple[str, ...]
    shapes: tuple[FrameShape, ...]
    scores_folder: str | None
    pictures: Pictures
    decode_timeout_s: float
    decode_memory_mib: int
    threads: int
    gpu: bool
    tries: "Tries"
    per_gpu: int = 1
    precision: Precision = "float32"
    error_maps: bool = False


class DecodeStage:
    """Packed plan rows in, decoded chunks out."""

    def __init__(self, settings: StageSettings):
        self._decoding = Decoding(settings)

    def __call__(self, packed: pa.Table) -> Iterator[pa.Table]:
        for unit in unpack_units(packed).to_pylist():
            for chunk, decode_s in self._decoding.chunks(unit):
                yield pack(unit["unit_id"], unit["bundle"], chunk, decode_s)


class ScoreStage:
    """Decoded chunks in, score rows (or their summaries) out.

    Two of its calls may run at once: while one uses the device, the other reads its frames or writes its scores.
    """

    def __init__(self, settings: StageSettings):
        self._scoring = Scoring(settings)
        self._tries = settings.tries

    def __call__(self, chunks: pa.Table) -> Iterator[pa.Table]:
        for row in range(chunks.num_rows):
            unit_id, bundle, chunk, decode_s = unpack(chunks, row)
            name = f"{unit_id}.{chunk.chunk}"
            if not self._tries.begin(name):
                chunk = given_up(chunk, self._tries.most)
            yield self._scoring.score(unit_id, bundle, chunk, decode_s)
            self._tries.end(name)


class DecodeAndScoreStage:
    """Packed plan rows in, score rows (or their summaries) out, in one process."""

    def __init__(self, settings: StageSettings):
        self._decoding = Decoding(settings)
        self._scoring = Scoring(settings)

    def __call__(self, packed: pa.Table) -> Iterator[pa.Table]:
        for unit in unpack_units(packed).to_pylist():
            for chunk, decode_s in self._decoding.chunks(unit):
                yield self._scoring.score(unit["unit_id"], unit["bundle"], chunk, decode_s)


class Decoding:
    """Decodes units in a child process; gives up those that take the whole worker along."""

    def __init__(self, settings: StageSettings):
        self._settings = settings
        self._decoder = UnitDecoder(
            list(settings.shapes), settings.decode_timeout_s, settings.decode_memory_mib
        )

    def chunks(self, unit: dict[str, Any]) -> Iterator[tuple[DecodedChunk, float]]:
        """Decoded chunks of a plan row, each with the seconds spent waiting for it."""
        tries, unit_id = self._settings.tries, unit["unit_id"]
        if not tries.begin(unit_id):
            folder = self._settings.scores_folder
            chunk = BEHIND_ALL if folder is None else scores.chunks_there(folder, unit_id)
            yield given_up(self._decoder.nothing(unit, chunk), tries.most), 0.0
            return
        chunks = self._decoder.decode(unit)
        while True:
            begun = time.perf_counter()
            decoded = next(chunks, None)
            if decoded is None:
                break
            yield decoded, time.perf_counter() - begun
        tries.end(unit_id)


def given_up(chunk: DecodedChunk, tries: int) -> DecodedChunk:
    """What is left of a chunk that ended its workers."""
    error = f"the worker that had it in hand ended each of {tries} times"
    members = tuple(
        dataclasses.replace(member, status="quarantined", error_type="WorkerDied", error=error)
        for member in chunk.members
    )
    return empty_chunk(chunk.chunk, chunk.last, chunk.frames.shape[1:], members)


class Scoring:
    """Scores chunks by the right bundle and hands the rows on. Detectors are loaded when first needed.

    Thread-safe.
    """

    def __init__(self, settings: StageSettings):
        self._settings = settings
        self._scorers: dict[int, Scorer] = {}
        self._least: dict[int, float] = {}  # scores below are of no event
        self._rules: dict[int, EventRules] = {}
        self._loading = threading.Lock()

    def _scorer(self, bundle: int) -> Scorer:
        with self._loading:
            if bundle not in self._scorers:
                configure_device(self._settings.threads)
                opened = open_bundle(self._settings.bundles[bundle])
                detector = opened.load_detector(self._settings.precision)
                if self._settings.scores_folder is not None:  # a sweep's, whose bundles are calibrated
                    self._least[bundle] = opened.calibration.least_peak
                    self._rules[bundle] = opened.calibration.rules
                many = self._settings.shapes[bundle].chunk_frames if opened.kind == "video" else 0
                self._scorers[bundle] = Scorer(detector, self._settings.gpu, many, self._settings.per_gpu)
            return self._scorers[bundle]

    def score(self, unit_id: str, bundle: int, chunk: DecodedChunk, decode_s: float) -> pa.Table:
        table = score_chunk(
            self._scorer(bundle),
            self._settings.shapes[bundle],
            unit_id,
            chunk,
            decode_s,
            self._settings.pictures,
            self._least.get(bundle, -np.inf),
            self._settings.error_maps,
        )
        if self._settings.scores_folder is None:
            return table
        scores.save(table, self._settings.scores_folder)
        return summary(table, bundle, self._rules.get(bundle, IMAGE_RULES))


def score_chunk(
    scorer: Scorer,
    shape: FrameShape,
    unit_id: str,
    chunk: DecodedChunk,
    decode_s: float,
    pictures: Pictures,
    least_pictured: float = -np.inf,
    error_maps: bool = False,
) -> pa.Table:
    """One row of unit scores from one decoded chunk; with `error_maps` also their columns, see `error_maps_of`."""
    result, score_s = timed_score(scorer, chunk.frames, chunk.lead)
    widths = np.array([member.width for member in chunk.members], np.int32)[chunk.member]
    heights = np.array([member.height for member in chunk.members], np.int32)[chunk.member]
    rows, columns, boxes = result["peaks"][:, 0], result["peaks"][:, 1], result["boxes"]

    def across(cells: Any) -> np.ndarray:
        return to_picture_pixels(cells, scorer.cell, shape.width, widths)

    def down(cells: Any) -> np.ndarray:
        return to_picture_pixels(cells, scorer.cell, shape.height, heights)

    left, top = across(boxes[:, 1]), down(boxes[:, 0])
    frames = {
        "member": chunk.member,
        "time_s": chunk.time_s,
        "score": result["score"],
        "mse": result["mse"],
        "peak_x": across(columns + 0.5),
        "peak_y": down(rows + 0.5),
        "box_x": left,
        "box_y": top,
        "box_w": across(boxes[:, 1] + boxes[:, 3]) - left,
        "box_h": down(boxes[:, 0] + boxes[:, 2]) - top,
        "brightness": chunk.brightness,
        "sharpness": chunk.sharpness,
        "motion": chunk.motion,
    }
    scored = chunk.frames[chunk.lead :, ..., : scorer.channels]
    unusual = moments(
        scored,
        chunk.time_s,
        result["score"],
        result["error_map"],
        boxes[:, [1, 0, 3, 2]] * scorer.cell,
        scorer.is_video,
        least_pictured,
        pictures,
    )
    looks_at = views(scored, chunk.time_s) if scorer.is_video and pictures != "none" else []
    members = [dataclasses.asdict(member) for member in chunk.members]
    for member in members:
        del member["frames"]  # counted from the scores at finalise
    row = scores.scores_row(
        unit_id,
        chunk.chunk,
        chunk.last,
        members,
        frames,
        [dataclasses.asdict(moment) for moment in unusual],
        [{"frame": frame, "jpeg": jpeg} for frame, jpeg in looks_at],
        decode_s,
        score_s,
    )
    return with_error_maps(row, result["error_map"]) if error_maps else row


def with_error_maps(row: pa.Table, maps: np.ndarray) -> pa.Table:
    """A score row with its error maps, float32 `[n, rows, columns]`, in two more columns."""
    row = row.append_column("error_maps", _binary(maps))
    return row.append_column("error_maps_shape", pa.array([list(maps.shape)], pa.list_(pa.int64())))


def error_maps_of(row: pa.Table) -> np.ndarray:
    """The inverse of `with_error_maps`; a view of the row's memory."""
    buffer = row["error_maps"][0].as_buffer()
    return np.frombuffer(buffer, np.float32).reshape(row["error_maps_shape"][0].as_py())


def summary(table: pa.Table, bundle: int, rules: EventRules) -> pa.Table:
    """What the driver wants to know of a score row: small, so that it may travel.

    Args:
        table: Of one row.
        bundle: Its index.
        rules: How scores are smoothed before they are judged.

    Returns:
        One row of `SUMMARY`.
    """
    frames = scores.frames_of(table)
    errors = [
        {"member": place, "reason": member["error_type"] or "", "error": member["error"] or ""}
        for place, member in enumerate(table["members"][0].as_py())
        if member["status"] == "quarantined"
    ]
    count = len(frames["score"])
    peak = None
    if count:
        # images have no time, and nothing is averaged over them
        smoothed = rules.smooth(frames["time_s"], frames["score"])
        at = int(smoothed.argmax())
        peak = {
            "score": smoothed[at],
            "time_s": frames["time_s"][at],
            "member": frames["member"][at],
        }
    shown = np.linspace(0, count - 1, min(count, SHOWN_SCORES)).round().astype(int)
    row = {
        "unit_id": table["unit_id"][0].as_py(),
        "bundle": bundle,
        "chunk": table["chunk"][0].as_py(),
        "last": table["last"][0].as_py(),
        "frames": count,
        "errors": errors,
        "decode_s": table["decode_s"][0].as_py(),
        "score_s": table["score_s"][0].as_py(),
        "peak": peak,
        "scores": frames["score"][shown].tolist(),
    }
    return pa.Table.from_pylist([row], SUMMARY)


def pack_units(units: pa.Table) -> pa.Table:
    """Plan rows as one binary value: Ray takes a fifth of the time to put it, and there are thousands."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, units.schema) as writer:
        writer.write_table(units)
    return pa.table({"units": pa.array([sink.getvalue().to_pybytes()], pa.binary())})


def unpack_units(packed: pa.Table) -> pa.Table:
    """The inverse of `pack_units`, of one row or several."""
    return pa.concat_tables(pa.ipc.open_stream(value.as_buffer()).read_all() for value in packed["units"])


def pack(unit_id: str, bundle: int, chunk: DecodedChunk, decode_s: float) -> pa.Table:
    """A decoded chunk as one row, its frames as one binary value."""
    members = [dataclasses.asdict(member) for member in chunk.members]
    floats = {name: getattr(chunk, name) for name in ("time_s", "brightness", "sharpness", "motion")}
    return pa.table(
        {
            "unit_id": [unit_id],
            "bundle": pa.array([bundle], pa.int32()),
            "chunk": pa.array([chunk.chunk], pa.int32()),
            "last": [chunk.last],
            "lead": pa.array([chunk.lead], pa.int32()),
            "shape": pa.array([list(chunk.frames.shape)], pa.list_(pa.int64())),
            "frames": _binary(chunk.frames),
            "member": pa.array([chunk.member], pa.list_(pa.int32())),
            **{
                name: pa.array([value], pa.list_(pa.from_numpy_dtype(value.dtype)))
                for name, value in floats.items()
            },
            "members": pa.array([members], pa.list_(_MEMBER_INFO)),
            "decode_s": [decode_s],
        }
    )


def unpack(table: pa.Table, row: int) -> tuple[str, int, DecodedChunk, float]:
    """The inverse of `pack`; frames are a view of the row's memory."""

    def array(name: str) -> np.ndarray:
        return table[name][row].values.to_numpy(zero_copy_only=False)

    buffer = table["frames"][row].as_buffer()
    chunk = DecodedChunk(
        member=array("member"),
        chunk=table["chunk"][row].as_py(),
        last=table["last"][row].as_py(),
        lead=table["lead"][row].as_py(),
        frames=np.frombuffer(buffer, np.uint8).reshape(table["shape"][row].as_py()),
        time_s=array("time_s"),
        brightness=array("brightness"),
        sharpness=array("sharpness"),
        motion=array("motion"),
        members=tuple(MemberInfo(**member) for member in table["members"][row].as_py()),
    )
    return table["unit_id"][row].as_py(), table["bundle"][row].as_py(), chunk, table["decode_s"][row].as_py()


def _binary(array: np.ndarray) -> pa.Array:
    """One binary value over the array's own memory: `pa.array([bytes])` would copy tens of MiB twice."""
    offsets = pa.py_buffer(np.array([0, array.nbytes], np.int64))
    return pa.Array.from_buffers(
        pa.large_binary(), 1, [None, offsets, pa.py_buffer(np.ascontiguousarray(array))]
    )


_MEMBER_INFO = pa.struct([*scores.MEMBER, ("frames", pa.int64())])
