import numpy as np
import pyarrow as pa
import pytest

from vadray.report.curves import CurveBuilder, build_curves, svg_points


def test_a_long_recording_keeps_its_peaks_at_their_times():
    frames = 100_000
    index = np.arange(frames)
    score = np.random.default_rng(0).random(frames)
    score[[7, 61_234, 99_999]] = [5.0, 9.0, 7.0]
    builder = CurveBuilder(frames)
    for part in np.array_split(index, 13):
        builder.add(part, part / 25, score[part])
    curve = builder.finish()
    assert len(curve.score) == 400
    assert np.all(np.diff(curve.time_s) > 0)
    top = np.argsort(curve.score)[-3:]
    assert curve.score[top].tolist() == [5.0, 7.0, 9.0]
    assert curve.time_s[top].tolist() == [7 / 25, 99_999 / 25, 61_234 / 25]


@pytest.mark.parametrize("frames", [1, 5, 400])
def test_a_short_recording_is_kept_whole(frames):
    builder = CurveBuilder(frames)
    index = np.arange(frames)
    builder.add(index, index / 10, index * 2.0)
    curve = builder.finish()
    assert curve.score.tolist() == (index * 2.0).tolist()
    assert curve.time_s.tolist() == (index / 10).tolist()


def test_only_the_objects_asked_for_are_drawn_from_mixed_batches():
    rows = [
        {"object_uri": uri, "frame_index": i, "time_s": i / 10, "score": float(i)}
        for uri in ("/a", "/b", "/c")
        for i in range(10)
    ]
    batches = pa.Table.from_pylist(rows).to_batches(max_chunksize=7)
    curves = build_curves(batches, {"/a": 10, "/c": 10, "/never": 5})
    assert set(curves) == {"/a", "/c"}
    assert curves["/c"].score.tolist() == list(range(10))


def test_a_flat_curve_is_drawn_in_the_middle():
    builder = CurveBuilder(3)
    builder.add(np.arange(3), np.arange(3.0), np.ones(3))
    assert svg_points(builder.finish(), 2.0, 1.0, 1.0, (100, 10)) == "0.0,5.0 50.0,5.0 100.0,5.0"
