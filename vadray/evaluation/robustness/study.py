"""A robustness study: the same labelled frames scored as they are, damaged and attacked.

Videos come one after the other and only their scores are kept, so a study needs the memory of its longest video.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vadray.errors import RequestError
from vadray.evaluation.metrics import FrameSet, evaluate_frames
from vadray.evaluation.robustness.attacks import (
    DIRECTIONS,
    EPSILONS,
    STEPS,
    Direction,
    ScoreGradient,
    fgsm,
    pgd,
    random_signs,
)
from vadray.evaluation.robustness.corruptions import (
    STRENGTHS,
    Remeasure,
    corrupt,
    corruptions_of,
    find_corruption,
)

CLEAN = "clean"
ATTACKS = ("fgsm", "pgd", "random")  # the last is what chance does within the same budget

Family = Literal["clean", "corruption", "attack"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class LabelledFrames:
    """One video in memory, from its first frame, or any number of images.

    Args:
        name: Of the video; it decides what is left to chance.
        frames: uint8 `[n, height, width, input_channels]`, as decoded.
        labels: Anomalous in truth, bool `[n]`.
        time_s: Seconds, float64 `[n]`; means nothing for images.
        camera: Its camera, None if unknown.
    """

    name: str
    frames: np.ndarray
    labels: np.ndarray
    time_s: np.ndarray
    camera: str | None = None


# calibrated scores `[n]`, which compare across videos, and flags at the calibrated threshold, bool `[n]`
Score = Callable[[LabelledFrames], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """One way to change frames.

    Args:
        name: As "blur" or "pgd hide".
        family: "clean", "corruption" or "attack".
        strength: 0 for frames as they are, then 1, 2, … from mild to severe.
        level: What the strength stands for.
        unit: Of the level.
        change: Labelled frames to frames of the same shape.
    """

    name: str
    family: Family
    strength: int
    level: float
    unit: str
    change: Callable[[LabelledFrames], np.ndarray]


@dataclass(frozen=True)
class RobustnessRow:
    """What one case came to; None where undefined (AUC of one class, of no video with both).

    `flagged_normal` and `flagged_anomalous` are shares of the normal and of the anomalous frames that are flagged at
    the calibrated threshold, the threshold being that of clean footage: false alarms and finds as an operator would
    get them.
    """

    name: str
    family: Family
    strength: int
    level: float
    unit: str
    auc_micro: float | None
    auc_macro: float | None
    flagged_normal: float | None
    flagged_anomalous: float | None

    def to_dict(self) -> dict[str, Any]:
        """Flat, for JSON."""
        return dataclasses.asdict(self)


def corruption_cases(
    kind: str,
    channels: int,
    names: Sequence[str] | None = None,
    *,
    seed: int = 0,
    remeasure: Remeasure | None = None,
) -> list[Case]:
    """Every strength of the corruptions.

    Args:
        kind: "image" or "video".
        channels: Channels of the picture; see `corrupt`.
        names: Some of `CORRUPTIONS`. Default: all that make sense for `kind`.
        seed: As for `corrupt`.
        remeasure: As for `corrupt`.

    Raises:
        RequestError: A name is unknown, or means nothing for images.
    """
    for name in names or ():
        if find_corruption(name).video_only and kind != "video":
            raise RequestError(
                f"Argument `corruptions` must be of {', '.join(corruptions_of(kind))} for images. Received: {name!r}"
            )
    cases = []
    for name in corruptions_of(kind) if names is None else names:
        found = find_corruption(name)
        for strength in range(1, STRENGTHS + 1):

            def change(video: LabelledFrames, name: str = name, strength: int = strength) -> np.ndarray:
                return corrupt(
                    video.frames,
                    name,
                    strength,
                    channels=channels,
                    video=video.name,
                    seed=seed,
                    remeasure=remeasure,
                )

            level = found.levels[strength - 1]
            cases.append(Case(name, "corruption", strength, level, found.unit, change))
    return cases


def attack_cases(
    gradient: ScoreGradient,
    names: Sequence[str] | None = None,
    *,
    epsilons: Sequence[int] = EPSILONS,
    steps: int = STEPS,
    seed: int = 0,
    remeasure: Remeasure | None = None,
) -> list[Case]:
    """Every budget of the attacks, each in both directions.

    Args:
        gradient: Of the detector.
        names: Some of `ATTACKS`. Default: all.
        epsilons: Budgets in whole grey levels, rising.
        steps: Of PGD.
        seed: Of random starts and signs.
        remeasure: As for `fgsm`.

    Raises:
        RequestError: A name is unknown.
    """
    cases = []
    for name in ATTACKS if names is None else names:
        if name not in ATTACKS:
            raise RequestError(f"Argument `attacks` must be of {', '.join(ATTACKS)}. Received: {name!r}")
        for direction in DIRECTIONS if name != "random" else (None,):
            for strength, epsilon in enumerate(epsilons, start=1):
                change = _attack(gradient, name, direction, epsilon, steps, seed, remeasure)
                title = f"{name} {direction}" if direction else name
                cases.append(Case(title, "attack", strength, epsilon, "grey levels, ε", change))
    return cases


def study(
    videos: Iterable[LabelledFrames],
    score: Score,
    cases: Sequence[Case],
    kind: str,
    say: Say = lambda _: None,
) -> list[RobustnessRow]:
    """Scores all videos in all cases, and as they are.

    Args:
        videos: Labelled frames, each asked for once.
        score: Scores and flags, by a calibration that was made before, on clean footage.
        cases: What to do to the frames.
        kind: "image" or "video": whether there is a macro AUC.
        say: Told of each video.

    Returns:
        A row for the frames as they are, then one a case, in the order of `cases`.

    Raises:
        RequestError: There is no frame.
    """
    clean = Case(CLEAN, "clean", 0, 0.0, "", lambda video: video.frames)
    every = [clean, *cases]
    sets: list[list[FrameSet]] = [[] for _ in every]
    for video in videos:
        if not len(video.frames):
            continue
        say(f"{video.name}: {len(video.frames)} frames, {len(every)} cases")
        for case, own in zip(every, sets, strict=True):
            changed = dataclasses.replace(video, frames=case.change(video))
            values, flags = score(changed)
            own.append(FrameSet(video.name, video.labels, values, values, flags))
    if not sets[0]:
        raise RequestError("Argument `videos` must hold at least one labelled frame. Received none")
    return [_row(case, own, kind) for case, own in zip(every, sets, strict=True)]


def _attack(
    gradient: ScoreGradient,
    name: str,
    direction: Direction | None,
    epsilon: int,
    steps: int,
    seed: int,
    remeasure: Remeasure | None,
) -> Callable[[LabelledFrames], np.ndarray]:
    def change(video: LabelledFrames) -> np.ndarray:
        if direction is None:
            return random_signs(
                video.frames,
                epsilon,
                channels=gradient.channels,
                video=video.name,
                seed=seed,
                remeasure=remeasure,
            )
        targets = video.labels if direction == "hide" else ~video.labels
        if name == "fgsm":
            return fgsm(gradient, video.frames, targets, direction, epsilon, remeasure)
        return pgd(
            gradient,
            video.frames,
            targets,
            direction,
            epsilon,
            steps=steps,
            video=video.name,
            seed=seed,
            remeasure=remeasure,
        )

    return change


def _row(case: Case, sets: Sequence[FrameSet], kind: str) -> RobustnessRow:
    figures = evaluate_frames(sets, kind)
    labels = np.concatenate([one.labels for one in sets])
    flags = np.concatenate([one.flags for one in sets])
    return RobustnessRow(
        case.name,
        case.family,
        case.strength,
        case.level,
        case.unit,
        figures.auc_micro,
        figures.auc_macro,
        float(flags[~labels].mean()) if not labels.all() else None,
        float(flags[labels].mean()) if labels.any() else None,
    )
