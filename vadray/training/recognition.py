"""Trains the recognition head on labelled videos that a detector has looked at. Needs no Ray."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vadray.keras_alone import keras  # isort: skip

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from vadray.calibration.thresholds import best_f1_threshold
from vadray.detectors.recogniser import Recogniser, recognition_loss
from vadray.errors import RequestError, VadrayError
from vadray.evaluation.datasets.split import Split, split_videos
from vadray.training.schedules import Moment, learning_rate

SHARES = (0.70, 0.15, 0.15)


@dataclass(frozen=True)
class LabelledVideo:
    """What a detector makes of one video, and what is true of it.

    Args:
        name: Path of the video.
        error_map: float32 `[n, rows, columns]`.
        motion: float32 `[n]`, mean absolute difference from the frame before.
        labels: Anomalous or not, bool `[n]`.
    """

    name: str
    error_map: np.ndarray
    motion: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class RecognitionSettings:
    """How the head is trained.

    Args:
        epochs: Most times that the validation part is looked at; the best weights are kept.
        steps: Steps in between.
        batch_size: Sequences in a step, half of them around anomalous frames.
        length: Frames of a sequence; 1 for images.
        learning_rate: Of Adam.
        schedule: Of the learning rate, see `schedules`.
        patience: Epochs without improvement before training stops early.
        coherence: Weight of the temporal coherence loss.
        head: Arguments of `Recogniser` besides rows and columns.
        seed: Of weights, split and sampling.
    """

    epochs: int = 20
    steps: int = 25
    batch_size: int = 16
    length: int = 32
    learning_rate: float = 0.003
    schedule: str = "constant"
    patience: int = 20
    coherence: float = 1.0
    head: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Recognition:
    """A trained head.

    Args:
        recogniser: With the weights of the lowest validation loss.
        threshold: A frame is anomalous from this probability on: the best F1 of the validation part.
        split: Names of the videos of each part.
        figures: For each of "validation" and "test", as `f1_test`: of the head, and as `auc_test_detector` of the
            highest cell of the same error maps, at its own best F1. Figures of the test part are None where it has
            one class only.
        history: Loss, validation loss and learning rate of each epoch.
    """

    recogniser: Recogniser
    threshold: float
    split: Split
    figures: dict[str, float | None]
    history: list[dict[str, float]]


def balanced_split(
    anomalous: Mapping[str, bool], shares: tuple[float, float, float] = SHARES, seed: int = 0
) -> Split:
    """Videos into training, validation and test, those with an anomaly and those without each in these shares.

    Args:
        anomalous: Whether there is an anomaly in it, by the name of each video.
        shares: Of training, validation and test, with sum 1.
        seed: Of the shuffle.
    """
    parts = [
        split_videos([name for name, found in anomalous.items() if found == wanted], shares, seed)
        for wanted in (True, False)
    ]
    return Split(*(sorted(first + second) for first, second in zip(*parts, strict=True)))


def fit_recogniser(
    videos: Sequence[LabelledVideo], settings: RecognitionSettings, split: Split | None = None
) -> Recognition:
    """Trains a head on sequences of which half lie around anomalous frames, however rare those are.

    Args:
        videos: Of one detector; names differ.
        settings: How to train.
        split: By default `balanced_split`, 70/15/15 by video.

    Raises:
        RequestError: The training or the validation part has not both anomalous and normal frames.
        VadrayError: Training diverged.
    """
    videos = [video for video in videos if len(video.labels)]
    split = split or balanced_split({v.name: bool(v.labels.any()) for v in videos}, seed=settings.seed)
    train, validation, test = ([video for video in videos if video.name in part] for part in split)
    for name, part in (("training", train), ("validation", validation)):
        labels = np.concatenate([np.zeros(0, bool), *(video.labels for video in part)])
        if not labels.any() or labels.all():
            raise RequestError(
                f"dataset: expected anomalous and normal frames in the {name} part, received {len(part)} of "
                f"{len(videos)} videos with {np.count_nonzero(labels)} anomalous frames of {len(labels)}"
            )
    keras.utils.set_random_seed(settings.seed)
    rows, columns = train[0].error_map.shape[1:]
    recogniser = Recogniser(rows, columns, **settings.head)
    recogniser.build()
    recogniser.adapt(*(np.concatenate([getattr(v, name) for v in train]) for name in ("error_map", "motion")))
    history = _learn(recogniser, train, validation, settings)
    found = [recogniser.probability(video.error_map, video.motion) for video in validation]
    threshold = best_f1_threshold(np.concatenate(found), _labels(validation)).value
    figures: dict[str, float | None] = {"videos": len(videos)}
    highest = best_f1_threshold(np.concatenate(_highest(validation)), _labels(validation)).value
    for name, part in (("validation", validation), ("test", test)):
        judged = [recogniser.probability(video.error_map, video.motion) for video in part]
        figures |= _figures(name, part, judged, threshold)
        beside = _figures(name, part, _highest(part), highest)
        figures |= {f"{key}_detector": value for key, value in beside.items()}
    return Recognition(recogniser, threshold, split, figures, history)


def _learn(
    recogniser: Recogniser,
    train: list[LabelledVideo],
    validation: list[LabelledVideo],
    settings: RecognitionSettings,
) -> list[dict[str, float]]:
    """Leaves the weights of the lowest validation loss in `recogniser`; returns the losses of each epoch."""

    def loss(labels: Any, logits: Any) -> Any:
        return recognition_loss(labels, logits, settings.coherence)

    # a model of its own, so that neither loss nor optimizer end in the file of the head
    frames = recogniser.context + settings.length
    maps = keras.Input((frames, recogniser.rows, recogniser.columns))
    motion = keras.Input((frames,))
    learner = keras.Model([maps, motion], recogniser((maps, motion)))
    learner.compile(keras.optimizers.Adam(settings.learning_rate), loss, jit_compile=False)
    random = np.random.default_rng(settings.seed)
    # the same sequences each time, balanced as those that are learned from
    held, truth = sequences(validation, 4 * settings.batch_size, recogniser.context, settings.length, random)
    history: list[dict[str, float]] = []
    best = recogniser.get_weights()
    waited = 0
    while len(history) < settings.epochs and waited < settings.patience:
        losses, rates = [], []
        for step in range(settings.steps):
            moment = Moment(len(history), step, settings.epochs, settings.steps, history)
            rates.append(learning_rate(settings.schedule, settings.learning_rate, moment))
            learner.optimizer.learning_rate = rates[-1]
            batch, labels = sequences(train, settings.batch_size, recogniser.context, settings.length, random)
            losses.append(learner.train_on_batch(batch, labels))
            learner.reset_metrics()
        learner.reset_metrics()
        measured = float(learner.test_on_batch(held, truth))
        loss_of_epoch = float(np.mean(losses))
        if not np.isfinite([loss_of_epoch, measured]).all():
            raise VadrayError(
                f"training diverged in epoch {len(history) + 1}: loss {loss_of_epoch}; try a smaller learning_rate"
            )
        improved = all(measured < row["validation_loss"] for row in history)
        waited = 0 if improved else waited + 1
        if improved:
            best = recogniser.get_weights()
        history.append(
            {
                "epoch": len(history) + 1,
                "loss": loss_of_epoch,
                "validation_loss": measured,
                "learning_rate": float(np.mean(rates)),
            }
        )
    recogniser.set_weights(best)
    return history


def sequences(
    videos: Sequence[LabelledVideo], count: int, context: int, length: int, random: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """Draws sequences: half of them hold an anomalous frame drawn among all, half a normal one.

    Args:
        videos: With frames of both classes.
        count: Sequences.
        context: Frames before the first that is judged.
        length: Frames that are judged; beyond a video's ends its first and last frame are repeated.
        random: Where chance comes from.

    Returns:
        Error maps `[count, context + length, rows, columns]` with motion `[count, context + length]`, and labels
        float32 `[count, length]`.
    """
    ends = np.cumsum([len(video.labels) for video in videos])
    truth = _labels(videos)
    classes = [np.flatnonzero(truth == wanted) for wanted in (True, False)]
    maps, motion, labels = [], [], []
    for place in range(count):
        chosen = random.choice(classes[place % 2])
        video = videos[number := int(np.searchsorted(ends, chosen, side="right"))]
        frame = int(chosen - ends[number]) + len(video.labels)
        first = frame - int(random.integers(length))
        index = np.clip(np.arange(first - context, first + length), 0, len(video.labels) - 1)
        maps.append(video.error_map[index])
        motion.append(video.motion[index])
        labels.append(video.labels[index[context:]])
    return [np.stack(maps), np.stack(motion)], np.stack(labels).astype(np.float32)


def _labels(videos: Sequence[LabelledVideo]) -> np.ndarray:
    return np.concatenate([video.labels for video in videos])


def _highest(videos: Sequence[LabelledVideo]) -> list[np.ndarray]:
    return [video.error_map.max(axis=(1, 2)) for video in videos]


def _figures(
    name: str, videos: Sequence[LabelledVideo], scores: list[np.ndarray], threshold: float
) -> dict[str, float | None]:
    keys = ("auc", "average_precision", "f1", "precision", "recall")
    labels = _labels(videos) if videos else np.zeros(0, bool)
    if not labels.any() or labels.all():
        return {f"{key}_{name}": None for key in keys}
    score = np.concatenate(scores)
    flags = score >= threshold
    values = [
        roc_auc_score(labels, score),
        average_precision_score(labels, score),
        f1_score(labels, flags),
        precision_score(labels, flags, zero_division=0),
        recall_score(labels, flags),
    ]
    return {f"{key}_{name}": float(value) for key, value in zip(keys, values, strict=True)}
