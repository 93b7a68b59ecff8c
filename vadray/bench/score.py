"""How fast detectors score on this process's device: `vadray bench score`.

Ours, as a sweep scores: blocks of frames, windows formed on the device, every frame encoded once. Against it what is
usually written: overlapping windows made in memory and given to `keras.Model.predict`. And ours compiled by XLA, and with
layers that compute in bfloat16. All in this process, a round after another, medians of the rounds.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from vadray.bench.plain import Windowed, predict
from vadray.bench.rounds import median_ratio
from vadray.config import BenchOptions
from vadray.detectors.base import Detector
from vadray.detectors.registry import DETECTORS, detector_class
from vadray.errors import RequestError
from vadray.model_file import layers_compute_in
from vadray.sweep.blocks import BLOCK_FRAMES
from vadray.sweep.scorer import Scorer

MATRIX = 2048  # side of the matrices whose product is the machine's measure
PRODUCTS = 4

Say = Callable[[str], None]


def bench_score(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Frames per second of each detector with random weights, at its own size and window.

    Raises:
        RequestError: There is no such detector, or it does not score before it was fitted.
    """
    names = options.detectors or [name for name, one in DETECTORS.items() if _scores_unfitted(one)]
    for name in names:
        if not _scores_unfitted(detector_class(name)):
            raise RequestError(f"detectors: expected ones that score without being fitted, received {name}")
    matrix_rate = _matrix_rate(options.rounds)
    say(f"products of {MATRIX} x {MATRIX} matrices in float32: {matrix_rate / 1e9:,.1f} GFLOP/s")
    found = {}
    for name in names:
        say(f"measuring {name}")
        found[name] = _measured(name, matrix_rate, options.rounds)
    return {"matrix_gflops": round(matrix_rate / 1e9, 1), "block_frames": BLOCK_FRAMES, "detectors": found}


def _scores_unfitted(detector: type[Detector]) -> bool:
    return not detector.needs_labels and detector.name_of_detector != "feature_density"


def _measured(name: str, matrix_rate: float, rounds: int) -> dict[str, Any]:
    keras.utils.set_random_seed(0)
    detector = _made(name)
    with layers_compute_in("bfloat16"):
        half = _made(name)
    half.set_weights(detector.get_weights())
    frames = np.random.default_rng(0).integers(
        0,
        256,
        (detector.context + BLOCK_FRAMES, detector.height, detector.width, detector.input_channels),
        np.uint8,
    )
    loops: dict[str, Callable[[], Any]] = {
        "ours": functools.partial(Scorer(detector).score, frames, detector.context),
        "xla": functools.partial(Scorer(detector, True).score, frames, detector.context),
    }
    if detector.learns:
        loops["bfloat16"] = functools.partial(Scorer(half).score, frames, detector.context)
        loops["xla_bfloat16"] = functools.partial(Scorer(half, True).score, frames, detector.context)
        loops["naive"] = functools.partial(predict, Windowed(detector), frames)
    rates: dict[str, list[float]] = {which: [] for which in loops}
    for loop in loops.values():
        loop()  # traced and compiled
    for _ in range(rounds):
        for which, loop in loops.items():
            begun = time.perf_counter()
            loop()
            rates[which].append(BLOCK_FRAMES / (time.perf_counter() - begun))
    ours = statistics.median(rates["ours"])
    operations = _operations(detector, frames.shape) / BLOCK_FRAMES
    found = {
        "frames_per_s": round(ours, 1),
        "mflop_a_frame": round(operations / 1e6, 2),
        "of_matrix_rate": round(operations * ours / matrix_rate, 3),
    }
    if "naive" in rates:
        found["over_naive"] = round(median_ratio(rates["ours"], rates["naive"]), 2)
    for which in ("xla", "bfloat16", "xla_bfloat16"):
        if which in rates:
            found[f"{which}_over_ours"] = round(median_ratio(rates[which], rates["ours"]), 2)
    return found


def _made(name: str) -> Detector:
    height, width = detector_class(name).default_size
    detector = detector_class(name)(height=height, width=width)
    detector.build()
    return detector


def _matrix_rate(rounds: int) -> float:
    """Floating-point operations per second of a matrix product, the best of the rounds."""
    import tensorflow as tf

    matrix = tf.random.normal((MATRIX, MATRIX))

    @tf.function
    def products(value: tf.Tensor) -> tf.Tensor:
        for _ in range(PRODUCTS):
            value = tf.linalg.matmul(matrix, value)
        return value

    products(matrix).numpy()
    best = 0.0
    for _ in range(rounds):
        begun = time.perf_counter()
        products(matrix).numpy()
        best = max(best, PRODUCTS * 2 * MATRIX**3 / (time.perf_counter() - begun))
    return best


def _operations(detector: Detector, shape: tuple[int, ...]) -> float:
    """Floating-point operations of scoring frames of `shape`, as TensorFlow counts them in the graph."""
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer, option_builder

    graph = (
        tf.function(detector.score, autograph=False)
        .get_concrete_function(tf.TensorSpec(shape, tf.uint8))
        .graph
    )
    counted = option_builder.ProfileOptionBuilder(option_builder.ProfileOptionBuilder.float_operation())
    counted = counted.with_empty_output().build()
    return model_analyzer.profile(graph, options=counted).total_float_ops
