"""The space of a search: what may be tried, what is drawn, and words that help where it is wrong."""

import pytest

from vadray.config import TuneOptions
from vadray.errors import RequestError
from vadray.parsing import parse, parse_pair
from vadray.training.space import draw_trials, starting_values, trial_options
from vadray.training.trials import TrialRecord, best_trial, ending, table_rows

SPACE = {
    "learning_rate": {"loguniform": ["1e-4", 1e-2]},
    "temporal": {"choice": ["lstm", "convlstm"]},
    "settings.code_channels": {"randint": [2, 4]},
}


def options(space=SPACE, **more) -> TuneOptions:
    small = {"detector": "stae", "size": (32, 48), "window": 4, "settings": {"filters": [4, 4]}}
    return TuneOptions(archive="a", out="b", space=space, **{**small, **more})


def test_the_first_trial_is_the_start_and_the_rest_lie_in_the_space():
    first, *drawn = draw_trials(options(trials=40))
    assert first == {} and len(drawn) == 39
    assert all(1e-4 <= changes["learning_rate"] <= 1e-2 for changes in drawn)
    assert {changes["settings.code_channels"] for changes in drawn} == {2, 3, 4}
    assert {changes["temporal"] for changes in drawn} == {"lstm", "convlstm"}
    assert all(type(changes["settings.code_channels"]) is int for changes in drawn)


def test_the_same_seed_draws_the_same_trials():
    assert draw_trials(options(trials=8)) == draw_trials(options(trials=8))
    assert draw_trials(options(trials=8)) != draw_trials(options(trials=8, seed=1))


def test_nothing_is_drawn_twice_nor_the_start_again():
    few = {"temporal": {"choice": ["lstm", "tcn"]}, "units": {"choice": [8, 16]}}
    drawn = draw_trials(options(few, units=8, temporal="lstm", trials=16))
    assert len(drawn) == 4
    assert {"temporal": "lstm", "units": 8} not in drawn


def test_a_trial_has_its_changes_and_the_rest_of_the_options():
    trial = trial_options(options(epochs=7), {"settings.code_channels": 4, "learning_rate": 0.01})
    assert trial.settings == {"filters": [4, 4], "code_channels": 4}
    assert (trial.learning_rate, trial.epochs) == (0.01, 7)


def test_the_start_has_the_detectors_defaults_where_nothing_is_said():
    assert starting_values(options()) == {
        "learning_rate": 0.001,
        "temporal": "lstm",
        "settings.code_channels": 16,
    }


def test_a_space_on_the_command_line():
    pairs = [parse_pair("archive=a"), parse_pair("out=b"), parse_pair("detector=stae")]
    space = parse_pair("space={learning_rate: {loguniform: [1e-4, 1e-2]}}")
    read = parse(TuneOptions, None, dict([*pairs, space]))
    assert len(draw_trials(read)) == read.trials == 16


@pytest.mark.parametrize(
    "space, words",
    [
        ({}, r"space: missing; .*loguniform"),
        (
            {"learning_rte": {"uniform": [0, 1]}},
            r"space\.learning_rte: unknown key; did you mean learning_rate",
        ),
        ({"code_channels": {"choice": [2]}}, r"did you mean settings\.code_channels"),
        ({"settings.code_chanels": {"choice": [2]}}, r"did you mean settings\.code_channels"),
        ({"settings.units": {"choice": [2]}}, r"did you mean units"),
        ({"size": {"choice": [[32, 48]]}}, r"space\.size: must be the same for all trials"),
        ({"settings.difference_weight": {"uniform": [0, 1]}}, "changes what the validation loss means"),
        ({"settings.relative": {"choice": [True]}}, "changes scores but not the validation loss"),
        ({"learning_rate": {"loguniform": [0, 1]}}, r"expected 0 < a < b"),
        ({"learning_rate": {"uniform": [0.1, 0.01]}}, r"expected a < b, received uniform: \[0\.1, 0\.01\]"),
        ({"learning_rate": {"normal": [0, 1]}}, r"expected one of \{choice"),
        ({"learning_rate": {"choice": []}}, r"expected one of \{choice"),
        ({"learning_rate": {"uniform": [0, 0.1]}}, r"with learning_rate=0: learning_rate: "),
        ({"units": {"randint": [1.5, 4]}}, "expected whole numbers"),
        ({"settings.code_channels": {"uniform": [2, 4]}}, "expected whole numbers"),
        ({"temporal": {"choice": ["lstm", "gru"]}}, r"with temporal=gru: .*must be one of"),
    ],
)
def test_a_wrong_space_is_refused(space, words):
    with pytest.raises(RequestError, match=words):
        draw_trials(options(space))


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(RequestError, match=r"detector: expected one that learns"):
        draw_trials(options(detector="motion", settings={}))
    with pytest.raises(RequestError, match=r"grace_epochs: expected at most epochs=3"):
        draw_trials(options(epochs=3, grace_epochs=4))
    with pytest.raises(RequestError, match=r"workers: each trial"):
        draw_trials(options(workers=2))
    with pytest.raises(RequestError, match=r"space\.batch_size: with steps_per_epoch"):
        draw_trials(options({"batch_size": {"choice": [4, 8]}}, steps_per_epoch=4))


def record(number, losses, ended="finished"):
    history = [{"epoch": epoch, "validation_loss": loss} for epoch, loss in enumerate(losses, 1)]
    return TrialRecord(number, {"units": number} if number else {}, history, ended)


def test_trials_are_compared_at_their_best_epoch_beside_the_start_after_as_many():
    records = [
        record(0, [3.0, 2.0, 1.5]),
        record(1, [2.5, 1.0, 1.2]),
        record(2, [1.2], "cut by ASHA"),
        record(3, [], "diverged"),
        record(4, [0.1], "failed"),
    ]
    assert best_trial(records).number == 1
    rows = table_rows(records, {"units": 9}, most=3)
    assert [row[0] for row in rows] == ["start", "1", "2", "3"]
    assert rows[0][1] == "units=9"
    assert rows[2][2:6] == ["1", "1", "1.200000", "3.000000"]
    assert TrialRecord.from_json(records[1].to_json()) == records[1]


def test_of_equals_the_start_is_best():
    assert best_trial([record(0, [2.0, 1.0]), record(1, [1.0, 3.0])]).number == 0


@pytest.mark.parametrize(
    "losses, ended",
    [
        ([3.0, 2.0, 1.0, 0.5], "finished"),
        ([1.0, 2.0, 2.0], "no better for 2 epochs"),
        ([2.0, 1.0, 2.0], "cut by ASHA"),
    ],
)
def test_why_a_trial_ended(losses, ended):
    assert ending(record(1, losses).history, epochs=4, patience=2) == ended
