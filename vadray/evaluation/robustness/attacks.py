"""Pictures changed on purpose, by a few grey levels, against a detector's score: FGSM and PGD.

Two directions. "hide" lowers the scores of anomalous frames, as an intruder would wish; "raise" heightens those of
normal frames, until nobody listens to the alarms. The attacker knows the detector and its weights.

A gradient needs a backend: this is one of the edges where TensorFlow is imported, and with another Keras backend
there are no attacks. Only the picture is changed and only through it does the gradient flow; where a detector also
sees optical flow, that is measured again on the changed picture at every step, which the gradient does not foresee.
A detector that sees flow alone has no gradient to follow, and `ScoreGradient` says so.

Every picture that is judged has whole grey levels: an attack that is gone when the picture is stored is none.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from vadray.errors import RequestError
from vadray.evaluation.robustness.corruptions import Remeasure, complete, random_of

if TYPE_CHECKING:
    from vadray.detectors.base import Detector

Direction = Literal["hide", "raise"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
EPSILONS = (1, 2, 4, 8)  # grey levels
STEPS = 10
BLOCK_FRAMES = 32  # frames in one call of the device: a gradient keeps all that lies between


class ScoreGradient:
    """How the scores of chosen frames answer to every pixel.

    Args:
        detector: Built, with its weights.

    Raises:
        RequestError: The backend is not TensorFlow, or the score has no gradient to the picture.

    Example:
        >>> gradient = ScoreGradient(detector)
        >>> attacked = pgd(gradient, frames, targets=labels, direction="hide", epsilon=4)
    """

    def __init__(self, detector: "Detector"):
        import keras

        if keras.backend.backend() != "tensorflow":
            raise RequestError(
                f"attacks: expected Keras on TensorFlow, which gives gradients. Received: {keras.backend.backend()}"
            )
        self.channels, self.window, self.stride = detector.channels, detector.window, detector.stride
        self._context = detector.context
        self._block = max(self.stride, BLOCK_FRAMES // self.stride * self.stride)
        shape = (self._context + self._block, detector.height, detector.width, detector.input_channels)
        self._of_block = _of_block(detector, shape)
        # noise, since a score may well be flat where nothing is to be seen
        noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
        if not np.any(self._of_block(noise, np.ones(self._block, np.float32))[0]):
            raise RequestError(
                f"attacks: expected a detector whose score has a gradient to the picture. Received: "
                f"{detector.name_of_detector}, whose score comes from optical flow alone, or by a step without one"
            )

    def __call__(self, frames: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of the sum of the targets' scores.

        Windows are formed as the sweep does: from the first frame, which is repeated before the beginning.

        Args:
            frames: uint8 `[n, height, width, input_channels]`: one video, or images.
            targets: Frames whose scores count, bool `[n]`.

        Returns:
            `(gradient [n, height, width, channels], score [n])`, float32; the gradient per grey level, the score 0
            for frames that are no target.
        """
        count = len(frames)
        gradient = np.zeros((*frames.shape[:-1], self.channels), np.float32)
        score = np.zeros(count, np.float32)
        for start in range(0, count, self._block):
            places = np.clip(np.arange(start - self._context, start + self._block), 0, count - 1)
            stop = min(start + self._block, count)
            if not targets[start:stop].any():
                continue
            weights = np.zeros(self._block, np.float32)
            weights[: stop - start] = targets[start:stop]
            part, scores = self._of_block(frames[places].astype(np.float32), weights)
            np.add.at(gradient, places, np.asarray(part)[..., : self.channels])
            score[start:stop] = (weights * np.asarray(scores))[: stop - start]
        return gradient, score

    def within_reach(self, targets: np.ndarray) -> np.ndarray:
        """Frames that a target's window sees, bool `[n]`: the others cannot change its score."""
        reached = np.zeros(len(targets), bool)
        for start in range(0, len(targets), self.stride):
            if targets[start : start + self.stride].any():
                reached[max(start - self._context, 0) : start + self.stride] = True
        return reached


def fgsm(
    gradient: ScoreGradient,
    frames: np.ndarray,
    targets: np.ndarray,
    direction: Direction,
    epsilon: int,
    remeasure: Remeasure | None = None,
) -> np.ndarray:
    """Fast gradient sign method: every pixel goes `epsilon` grey levels to where the score falls, or rises.

    Args:
        gradient: Of the detector.
        frames: uint8 `[n, height, width, input_channels]`: one video from its first frame, or images. Not changed.
        targets: Frames whose scores are to change, bool `[n]`.
        direction: "hide" lowers their scores, "raise" heightens them.
        epsilon: Most that a pixel changes, whole grey levels, at least 1.
        remeasure: Measures the flow of changed pictures. Needed where frames carry flow.

    Returns:
        uint8 of the same shape.

    Raises:
        RequestError: An argument is out of its range.

    Reference: Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, section
        4: x + epsilon * sign of the loss's gradient. Their loss is a classifier's; the sum of scores stands for it.
    """
    _check(direction, epsilon)
    if not targets.any():
        return frames
    uphill = np.sign(gradient(frames, targets)[0])
    moved = frames[..., : gradient.channels] + _sign(direction) * epsilon * uphill
    return complete(_bytes(moved), frames, remeasure)


def pgd(
    gradient: ScoreGradient,
    frames: np.ndarray,
    targets: np.ndarray,
    direction: Direction,
    epsilon: int,
    *,
    steps: int = STEPS,
    step_size: float | None = None,
    random_starts: int = 1,
    video: str = "",
    seed: int = 0,
    remeasure: Remeasure | None = None,
) -> np.ndarray:
    """Projected gradient descent: many small steps of FGSM, never further than `epsilon` from where it began.

    It begins at the picture as it is and again at random places within the budget, and the best picture on all these
    ways is given, not the last. A score that is a maximum over cells has kinks, at which a step can overshoot; and
    upwards, where squared errors curve, a random start wastes budget on cells that another one outdoes (on small
    autoencoders it fell 1 to 12 % short of FGSM), while the picture as it is does not.

    Args:
        gradient: As for `fgsm`, and so are frames, targets, direction, epsilon and remeasure.
        frames: uint8 `[n, height, width, input_channels]`.
        targets: bool `[n]`.
        direction: "hide" or "raise".
        epsilon: Whole grey levels, at least 1.
        steps: From each start, at least 1. Defaults to 10.
        step_size: Grey levels a step, above 0. Defaults to 2.5 * epsilon / steps, so that the far side of the budget
            is within reach.
        random_starts: Beside the picture as it is, at least 0. Defaults to 1.
        video: A name for the frames: each has random starts of its own.
        seed: Of the random starts. Defaults to 0.
        remeasure: As for `fgsm`.

    Returns:
        uint8 of the same shape.

    Raises:
        RequestError: An argument is out of its range.

    Reference: Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, section 2.1.
        Whole grey levels, the start at the picture itself, and keeping the best are ours.
    """
    _check(direction, epsilon)
    size = 2.5 * epsilon / steps if step_size is None and steps > 0 else step_size
    if steps < 1 or size is None or size <= 0 or random_starts < 0:
        raise RequestError(
            "Arguments `steps`, `step_size` and `random_starts` must be at least 1, above 0, and at least 0. "
            f"Received: steps={steps}, step_size={step_size}, random_starts={random_starts}"
        )
    if not targets.any():
        return frames
    clean = frames[..., : gradient.channels].astype(np.float32)
    reached = gradient.within_reach(targets)[:, None, None, None]
    random = random_of("pgd", direction, epsilon, video, seed)
    best, best_gain = frames, -np.inf
    for start in range(1 + random_starts):
        change = np.zeros_like(clean)
        if start > 0:
            change = epsilon * (2 * random.random(clean.shape, np.float32) - 1) * reached
        for step in range(steps + 1):
            judged = complete(_bytes(clean + change), frames, remeasure)
            uphill, score = gradient(judged, targets)
            gain = _sign(direction) * float(score.sum())
            if gain > best_gain:
                best, best_gain = judged, gain
            if step < steps:
                change = np.clip(change + _sign(direction) * size * np.sign(uphill), -epsilon, epsilon)
                change = np.clip(clean + change, 0, 255) - clean
    return best


def random_signs(
    frames: np.ndarray,
    epsilon: int,
    *,
    channels: int,
    video: str = "",
    seed: int = 0,
    remeasure: Remeasure | None = None,
) -> np.ndarray:
    """Every pixel goes up or down by `epsilon`, by chance: what the budget does without any knowledge.

    Args:
        frames: uint8 `[n, height, width, input_channels]`.
        epsilon: Whole grey levels, at least 1.
        channels: Channels of the picture.
        video: A name for the frames.
        seed: Of the signs.
        remeasure: As for `fgsm`.
    """
    _check("hide", epsilon)
    pictures = frames[..., :channels]
    signs = 2 * random_of("random", epsilon, video, seed).integers(0, 2, pictures.shape, np.int8) - 1
    return complete(_bytes(pictures + np.float32(epsilon) * signs), frames, remeasure)


def _of_block(detector: "Detector", shape: tuple[int, ...]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    import tensorflow as tf

    # grey levels as floats: `prepare` casts bytes to floats, and a cast of floats lets the gradient pass
    @tf.function(
        input_signature=[
            tf.TensorSpec(shape, tf.float32),
            tf.TensorSpec((shape[0] - detector.context,), tf.float32),
        ],
        autograph=False,
    )
    def of_block(frames, weights):
        with tf.GradientTape() as tape:
            tape.watch(frames)
            score = detector.score(frames)[0]
            total = tf.reduce_sum(weights * score)
        part = tape.gradient(total, frames, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return part[..., : detector.channels], score

    return of_block


def _check(direction: str, epsilon: int) -> None:
    if direction not in DIRECTIONS:
        raise RequestError(
            f"Argument `direction` must be one of {', '.join(DIRECTIONS)}. Received: {direction!r}"
        )
    if epsilon < 1 or epsilon != int(epsilon):
        raise RequestError(
            f"Argument `epsilon` must be a whole number of grey levels, at least 1. Received: epsilon={epsilon}"
        )


def _sign(direction: Direction) -> int:
    return 1 if direction == "raise" else -1


def _bytes(pictures: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)
