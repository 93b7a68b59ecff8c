"""What a bundle has learned from is known again, wherever the set lies, and nothing else is."""

from vadray.evaluation.learned import NOTHING, LearnedObjects


def unit(*members: tuple[str, int]) -> dict:
    return {"unit_id": "u", "members": [{"object_uri": uri, "bytes": size} for uri, size in members]}


LEARNED = LearnedObjects.from_units(
    {
        "train": [unit(("/set/test/a.mp4", 10)), unit(("/set/test/a.mp4", 10))],
        "validation": [unit(("/set/test/b.png", 7), ("/set/test/c.png", 8))],
        "calibration": [unit(("/set/train/d.mp4", 9))],
    },
    "/set/test",
)


def test_what_was_learned_from_is_left_out_and_a_group_of_images_keeps_its_others():
    units = [unit(("/set/test/a.mp4", 10)), unit(("/set/test/b.png", 7), ("/set/test/e.png", 7))]
    kept, left = LEARNED.leave_out(units, "/set/test")
    assert kept == [unit(("/set/test/e.png", 7))]
    assert left == ["a.mp4", "b.png"]


def test_a_moved_set_is_known_by_path_and_size_and_another_set_is_not():
    moved = [unit(("/other/a.mp4", 10)), unit(("/other/b.png", 70)), unit(("/other/d.mp4", 9))]
    kept, left = LEARNED.leave_out(moved, "/other")
    assert left == ["a.mp4"] and kept == moved[1:]


def test_union_and_digest():
    assert NOTHING.digest() is None and NOTHING.union([NOTHING]).digest() is None
    assert NOTHING.union([LEARNED]).digest() == LEARNED.digest() is not None
    units = [unit(("/set/train/d.mp4", 9))]
    assert NOTHING.leave_out(units, "/set/train") == (units, [])
    assert NOTHING.union([LEARNED]).leave_out(units, "/set/train") == ([], ["d.mp4"])


def test_another_calibration_takes_the_place_of_the_one_before():
    again = LEARNED.recalibrated([unit(("/set/test/e.png", 7))], "/set")
    units = [unit(("/set/test/a.mp4", 10)), unit(("/set/test/e.png", 7)), unit(("/set/train/d.mp4", 9))]
    assert again.leave_out(units, "/set") == (units[2:], ["test/a.mp4", "test/e.png"])
