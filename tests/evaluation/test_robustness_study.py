"""A study in memory, its table and plot, and a bundle's on the synthetic archive."""

import json

import numpy as np
import pytest

from vadray.config import EvaluateOptions
from vadray.errors import RequestError
from vadray.evaluation.datasets import ObjectLabels
from vadray.evaluation.robustness import (
    CORRUPTIONS,
    Case,
    LabelledFrames,
    corruption_cases,
    robustness_png,
    robustness_table,
    study,
)
from vadray.evaluation.robustness.bundle import RobustnessSettings, choose, study_bundle
from vadray.evaluation.robustness.summary import robustness_figures

THRESHOLD = 100.0
PNG = b"\x89PNG"


def video(name: str, seed: int) -> LabelledFrames:
    """Dark noise; in the anomalous half every frame has a bright spot."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 40, (20, 16, 16, 1), np.uint8)
    labels = np.arange(20) >= 10
    frames[labels, 4:6, 4:6] = 200
    return LabelledFrames(name, frames, labels, np.arange(20) / 10)


def brightest(one: LabelledFrames) -> tuple[np.ndarray, np.ndarray]:
    score = one.frames.max(axis=(1, 2, 3)).astype(float)
    return score, score >= THRESHOLD


def blackout(name: str, strength: int) -> Case:
    return Case(
        name, "corruption", strength, float(strength), "of all", lambda one: one.frames // (strength + 1)
    )


class TestStudy:
    def test_rows_are_clean_first_then_a_case_each(self):
        rows = study(
            [video("a", 0), video("b", 1)], brightest, [blackout("dark", 1), blackout("dark", 3)], "video"
        )
        assert [(row.name, row.strength) for row in rows] == [("clean", 0), ("dark", 1), ("dark", 3)]
        assert [row.auc_micro for row in rows] == [1.0, 1.0, 1.0]
        assert [row.auc_macro for row in rows] == [1.0, 1.0, 1.0]
        # the threshold is that of clean footage: half as bright still passes it, a quarter does not
        assert [row.flagged_anomalous for row in rows] == [1.0, 1.0, 0.0]
        assert [row.flagged_normal for row in rows] == [0.0, 0.0, 0.0]

    def test_what_cannot_be_told_apart_has_an_auc_of_one_half_or_none(self):
        white = Case("white", "corruption", 1, 1.0, "", lambda one: np.full_like(one.frames, 255))
        row = study([video("a", 0)], brightest, [white], "video")[1]
        assert (row.auc_micro, row.flagged_normal) == (0.5, 1.0)
        normal = video("a", 0)
        alone = LabelledFrames("a", normal.frames[:10], normal.labels[:10], normal.time_s[:10])
        row = study([alone], brightest, [], "video")[0]
        assert (row.auc_micro, row.auc_macro, row.flagged_anomalous, row.flagged_normal) == (
            None,
            None,
            None,
            0.0,
        )

    def test_videos_are_taken_one_by_one(self):
        asked = []

        def videos():
            for name in ("a", "b"):
                asked.append(name)
                yield video(name, 0)

        said: list[str] = []
        study(videos(), lambda one: (asked.append("score"), brightest(one))[1], [], "video", said.append)
        assert asked == ["a", "score", "b", "score"]
        assert said == ["a: 20 frames, 1 cases", "b: 20 frames, 1 cases"]

    def test_nothing_to_score_is_refused(self):
        with pytest.raises(RequestError, match="at least one labelled frame"):
            study([], brightest, [], "video")

    def test_all_strengths_of_what_makes_sense(self):
        assert len(corruption_cases("video", 1)) == 5 * len(CORRUPTIONS)
        assert {case.name for case in corruption_cases("image", 1)} == set(CORRUPTIONS) - {
            "dropped_frames",
            "shake",
        }
        with pytest.raises(RequestError, match="shake"):
            corruption_cases("image", 1, ["shake"])
        with pytest.raises(RequestError, match="Did you mean blur"):
            corruption_cases("video", 1, ["blurr"])


class TestSummary:
    @pytest.fixture(scope="class")
    def rows(self):
        return study([video("a", 0), video("b", 1)], brightest, corruption_cases("video", 1), "video")

    def test_table_shows_each_strength_and_each_figure(self, rows):
        lines = robustness_table(rows).splitlines()
        assert lines[0] == "| AUC micro at strength | 0 | 1 | 2 | 3 | 4 | 5 | mean of 1 on |"
        assert lines[2].startswith("| noise | 1.000 | 1.000 |")
        assert "| jpeg | 7 quality |" in "\n".join(lines)
        assert sum(line.startswith("| shake |") for line in lines) == 1 + 5
        assert len({line.count("|") for line in lines[:10]}) == 1

    def test_plot_is_a_picture_with_and_without_attacks_and_auc(self, rows):
        attack = [Case("fgsm hide", "attack", n, 2.0**n, "ε", lambda one: one.frames) for n in (1, 2)]
        more = study([video("a", 0)], brightest, attack, "video")
        one_class = LabelledFrames("a", video("a", 0).frames, np.zeros(20, bool), np.arange(20.0))
        for some in (
            rows,
            more,
            [*rows, *more[1:]],
            rows[:1],
            study([one_class], brightest, attack, "video"),
        ):
            assert robustness_png(some).startswith(PNG)
        assert "| fgsm hide | 1.000 | 1.000 | 1.000 | 1.000 |" in robustness_table(more)

    def test_figures_are_means_over_strengths(self, rows):
        figures = robustness_figures(rows)
        assert figures["auc_micro clean"] == 1.0
        assert set(figures) == {f"auc_micro {name}" for name in ("clean", *CORRUPTIONS)}


LABELS = {
    **{f"odd-{n}": ObjectLabels("video", 9, ((0, 3),)) for n in range(6)},
    **{f"usual-{n}": ObjectLabels("video", 9, ()) for n in range(3)},
    "picture": ObjectLabels("image", 1, ((0, 0),)),
}


class TestChoice:
    def test_all_of_the_kind_without_a_limit(self):
        assert len(choose(LABELS, "video", None)) == 9
        assert choose(LABELS, "image", 5) == {"picture"}

    @pytest.mark.parametrize(("most", "odd"), [(1, 1), (2, 1), (3, 2), (6, 4), (8, 5)])
    def test_both_classes_in_their_proportion(self, most, odd):
        chosen = choose(LABELS, "video", most)
        assert len(chosen) == most
        assert sum(name.startswith("odd") for name in chosen) == odd
        assert "odd-0" in chosen

    def test_one_class_alone(self):
        labels = {name: one for name, one in LABELS.items() if name.startswith("odd")}
        assert choose(labels, "video", 3) == {"odd-0", "odd-2", "odd-4"}
        with pytest.raises(RequestError, match="most_objects=0"):
            choose(labels, "video", 0)


class TestBundle:
    @pytest.fixture(scope="class", params=["video", "image"])
    def studied(self, request, archive, bundles, tmp_path_factory):
        kind, out = request.param, tmp_path_factory.mktemp("robustness")
        options = EvaluateOptions(bundle=str(bundles[kind]), dataset=str(archive.root), out=str(out))
        settings = RobustnessSettings(epsilons=(2, 8), steps=2)
        return kind, options, out, study_bundle(options, settings)

    def test_every_case_has_finite_figures(self, studied):
        kind, _, _, found = studied
        corruptions = 8 if kind == "video" else 6
        assert len(found.rows) == 1 + 5 * corruptions + 2 * 5
        assert all(np.isfinite(row.auc_micro) for row in found.rows)
        assert all((row.auc_macro is None) == (kind == "image") for row in found.rows)
        assert all(0 <= row.flagged_normal <= 1 and 0 <= row.flagged_anomalous <= 1 for row in found.rows)
        assert len({row.auc_micro for row in found.rows}) > 5, "cases differ"

    def test_clean_row_is_what_evaluation_finds(self, studied, cluster):
        from vadray.evaluation.evaluate import evaluate

        _, options, _, found = studied
        figures, _ = evaluate(options.model_copy(update={"out": None}))
        assert found.rows[0].auc_micro == pytest.approx(figures.auc_micro, abs=1e-6)
        assert found.rows[0].auc_macro == pytest.approx(figures.auc_macro, abs=1e-6)
        assert found.rows[0].flagged_anomalous == pytest.approx(figures.recall, abs=1e-6)

    def test_it_is_written(self, studied):
        _, _, out, found = studied
        assert (out / "robustness.png").read_bytes().startswith(PNG)
        assert (out / "robustness.md").read_text() == robustness_table(found.rows)
        written = json.loads((out / "robustness.json").read_text())
        assert written["rows"] == [row.to_dict() for row in found.rows]
        assert written["objects"] == found.objects

    def test_pgd_does_more_harm_than_chance(self, studied):
        kind, _, _, found = studied
        auc = {(row.name, row.strength): row.auc_micro for row in found.rows}
        for attack in ("pgd hide", "pgd raise"):
            # of ten images all four odd ones may stay on top
            assert auc[attack, 2] < auc["random", 2] or (kind == "image" and auc[attack, 2] == 1)


def test_a_few_videos_and_cases_are_a_short_study(archive, bundles):
    options = EvaluateOptions(bundle=str(bundles["video"]), dataset=str(archive.root))
    settings = RobustnessSettings(corruptions=("blur",), attacks=(), most_objects=2)
    said: list[str] = []
    found = study_bundle(options, settings, said.append)
    assert found.objects == len(said) == 2
    assert len(found.rows) == 6
    again = study_bundle(options, settings)
    assert again.rows == found.rows


def test_images_are_no_videos(archive, bundles, tmp_path):
    options = EvaluateOptions(bundle=str(bundles["image"]), dataset=str(archive.root))
    with pytest.raises(RequestError, match="shake"):
        study_bundle(options, RobustnessSettings(corruptions=("shake",)))
    with pytest.raises(RequestError, match="attacks"):
        study_bundle(options, RobustnessSettings(attacks=("cw",)))
