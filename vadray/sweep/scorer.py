"""Scores decoded frames on the device. The one place of the sweep that imports TensorFlow."""

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from vadray.errors import VadrayError
from vadray.sweep.blocks import BLOCK_FRAMES, bytes_of_results, free_device_bytes, large_block
from vadray.sweep.localise import localise

if TYPE_CHECKING:
    from vadray.detectors.base import Detector


class Scorer:
    """A detector on this process's device. Thread-safe: one call uses the device at a time.

    Args:
        detector: With its weights; made after `configure_device`.
        compile_for_device: Compile by XLA: worth it on a GPU only, but for detectors that say otherwise.
        chunk_frames: Most frames that come at once: on a GPU, more of them are scored by one call where its memory
            allows.
        sharers: Scorers that share the device.
    """

    def __init__(
        self,
        detector: "Detector",
        compile_for_device: bool = False,
        chunk_frames: int = 0,
        sharers: int = 1,
    ):
        self.cell = detector.cell
        self.context = detector.context
        self.channels = detector.channels  # of the picture; flow comes behind them
        self.is_video = detector.kind == "video"
        self._detector, self._compile = detector, compile_for_device or detector.always_compiled
        self._device = threading.Lock()
        small = max(detector.stride, BLOCK_FRAMES // detector.stride * detector.stride)
        # few static shapes: each is traced and, on a GPU, compiled once
        self._functions = {small: self._function(small)}
        if compile_for_device and chunk_frames > small and (free := free_device_bytes()):
            graph = self._functions[small].get_concrete_function().graph
            large = large_block(chunk_frames, detector.stride, bytes_of_results(graph), free // sharers)
            self._functions = {large: self._function(large), **self._functions}

    def _function(self, frames: int) -> Any:
        import tensorflow as tf

        detector = self._detector
        shape = (self.context + frames, detector.height, detector.width, detector.input_channels)
        return tf.function(
            detector.score,
            input_signature=[tf.TensorSpec(shape, tf.uint8)],
            jit_compile=self._compile,
            autograph=False,
        )

    @property
    def blocks(self) -> list[int]:
        """Frames of a call, largest first."""
        return sorted(self._functions, reverse=True)

    def score(self, frames: np.ndarray, lead: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores frames.

        Args:
            frames: uint8 `[lead + n, height, width, input_channels]`.
            lead: How many of the first frames are context only; of more than needed, the last are used. With
                fewer than the windows need (an object's beginning) the first frame is repeated: edge padding, the
                paper's step 7.

        Returns:
            `(score [n], error_map [n, rows, columns], mse [n])`, float32.

        Raises:
            VadrayError: A score is not finite.
        """
        count = len(frames) - lead
        if count == 0:
            return np.zeros(0, np.float32), np.zeros((0, 1, 1), np.float32), np.zeros(0, np.float32)
        context = frames[max(lead - self.context, 0) : lead]
        padding = np.repeat(frames[:1], self.context - len(context), axis=0)
        before = np.concatenate([padding, context])
        parts, start = [], lead
        while start < len(frames):
            left = len(frames) - start
            size = next((size for size in self.blocks if size <= left), min(self.blocks))
            block = frames[start : start + size]
            tail = np.repeat(block[-1:], size - len(block), axis=0)
            given = self._on_device(size, np.concatenate([before, block, tail]))
            if given is None:
                continue
            parts.append([value[: len(block)] for value in given])
            before = np.concatenate([before, block])[len(before) + len(block) - self.context :]
            start += size
        score, error_map, mse = (np.concatenate(values) for values in zip(*parts, strict=True))
        if not np.isfinite(score).all():
            raise VadrayError(
                f"expected finite scores, received {np.count_nonzero(~np.isfinite(score))} that are not: "
                "the bundle's weights are damaged or its training diverged"
            )
        return score, error_map, mse

    def _on_device(self, size: int, inputs: np.ndarray) -> list[np.ndarray] | None:
        """What the detector gives; None where so large a block did not fit, which then is smaller from now on."""
        import tensorflow as tf

        with self._device:
            if size not in self._functions:
                return None  # another thread has met its end
            try:
                return [np.asarray(value) for value in self._functions[size](inputs)]
            except tf.errors.ResourceExhaustedError:
                smaller = size // 2 // self._detector.stride * self._detector.stride
                if smaller == 0:
                    raise
                del self._functions[size]
                if not self._functions:
                    self._functions[smaller] = self._function(smaller)
                return None


def to_picture_pixels(cells: np.ndarray, cell: int, detector_size: int, picture_size: Any) -> np.ndarray:
    """Cell edges to pixels of the original picture.

    Args:
        cells: int `[n]`, edges (or, with 0.5 added, centres) in cells.
        cell: Pixels of a cell in the detector's input.
        detector_size: Rows or columns of the detector's input.
        picture_size: Rows or columns of the original picture, a number or `[n]`.

    Returns:
        int32 `[n]`.
    """
    return np.floor(np.asarray(cells) * cell * np.asarray(picture_size) / detector_size).astype(np.int32)


def timed_score(scorer: Scorer, frames: np.ndarray, lead: int) -> tuple[dict[str, Any], float]:
    """Scores and localises. Returns arrays by name (score, mse, error_map, peaks, boxes) and the seconds it took."""
    begun = time.perf_counter()
    score, error_map, mse = scorer.score(frames, lead)
    peaks, boxes = localise(error_map)
    result = {"score": score, "mse": mse, "error_map": error_map, "peaks": peaks, "boxes": boxes}
    return result, time.perf_counter() - begun


def configure_device(threads: int) -> None:
    """Sets what can be set only before TensorFlow's first operation: the first call of a process decides.

    Args:
        threads: CPU threads; 0 lets TensorFlow choose.
    """
    if getattr(configure_device, "done", False):
        return
    configure_device.done = True  # type: ignore[attr-defined]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
