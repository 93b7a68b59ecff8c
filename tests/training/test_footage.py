"""Which footage is learned from and which is held out: nothing is in two parts, and what belongs together stays so."""

import numpy as np
import pytest

from vadray.errors import RequestError
from vadray.training.feed import Samples
from vadray.training.footage import folds, split


def videos(*units: int) -> list[dict]:
    """Rows of a plan: a video for each argument, of so many units."""
    return [
        {"kind": "video", "unit_id": f"{video}-{unit}", "members": [{"object_uri": f"file:///{video}.mp4"}]}
        for video, count in enumerate(units)
        for unit in range(count)
    ]


def images(*units: int) -> list[dict]:
    """Rows of a plan: a unit for each argument, of so many pictures."""
    return [
        {
            "kind": "image",
            "unit_id": str(unit),
            "members": [{"object_uri": f"file:///{unit}-{picture}.png"} for picture in range(count)],
        }
        for unit, count in enumerate(units)
    ]


def uris(rows: list[dict]) -> list[str]:
    return [member["object_uri"] for row in rows for member in row["members"]]


def unit_ids(rows: list[dict]) -> list[str]:
    return [row["unit_id"] for row in rows]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_video_is_in_one_fold_whole(count):
    rows = videos(3, 1, 2, 4, 1)
    parts, by = folds(rows, count, seed=0)
    assert by == "video" and len(parts) == count and all(parts)
    assert sorted(unit_ids([row for part in parts for row in part])) == sorted(unit_ids(rows))
    seen = [set(uris(part)) for part in parts]
    assert sum(len(own) for own in seen) == 5 and len(set.union(*seen)) == 5


def test_the_only_video_is_cut_by_its_units_and_images_one_by_one():
    rows = videos(4)
    parts, by = folds(rows, 2, seed=0)
    assert by == "unit" and sorted(map(len, parts)) == [2, 2]
    rows = images(5, 2)
    parts, by = folds(rows, 3, seed=0)
    assert by == "image" and sorted(len(uris(part)) for part in parts) == [2, 2, 3]
    assert sorted(uris([row for part in parts for row in part])) == sorted(uris(rows))
    assert all(len(set(unit_ids(part))) == len(part) for part in parts)


def test_another_seed_makes_other_folds():
    rows = videos(*[1] * 12)
    assert folds(rows, 3, seed=0) == folds(rows, 3, seed=0)
    assert folds(rows, 3, seed=0) != folds(rows, 3, seed=1)


def test_more_folds_than_videos_are_refused():
    with pytest.raises(
        RequestError, match=r"as many videos of normal footage as parts, received folds=4 and 3 video"
    ):
        folds(videos(2, 2, 2), 4, seed=0)


@pytest.mark.parametrize(
    "rows, by", [(videos(3, 1, 2, 4), "video"), (videos(6), "unit"), (images(4, 3), "image")]
)
def test_a_split_holds_out_what_the_rest_does_not_have(rows, by):
    sides = split(rows, 0.3, seed=1)
    assert sides.by == by and sides.train and sides.held_out
    name = unit_ids if by == "unit" else uris
    assert not set(name(sides.train)) & set(name(sides.held_out))
    assert sorted(name(sides.train) + name(sides.held_out)) == sorted(name(rows))


def test_joined_samples_point_to_their_own_tables():
    first = Samples(["a", "b"], np.array([[0, 0, 0], [1, 2, 5]]), 4, 30, np.array([1.0, 2.0]))
    second = Samples(["c"], np.array([[0, 1, 3]]), 4, 12, np.array([3.0]))
    both = Samples.joined([first, second])
    assert both.chunks == ["a", "b", "c"] and both.frames == 42 and both.window == 4
    assert both.places.tolist() == [[0, 0, 0], [1, 2, 5], [2, 1, 3]]
    assert both.motion.tolist() == [1.0, 2.0, 3.0]
