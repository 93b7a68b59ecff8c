"""Three-dimensional convolutions: an encoder that runs over a whole video, and a discriminator of short clips."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.layers.convolutional import ACTIVATION


@keras.saving.register_keras_serializable("vadray")
class ClipConvolution(keras.layers.Layer):
    """A 3-D convolution: time unpadded unless asked for, space padded and strided.

    The steps that a kernel spans are laid side by side as channels of a 2-D convolution, which is the same sum.
    TensorFlow's own gradient of a 3-D convolution takes more than ten times longer on a CPU: with it a discriminator
    of a few thousand weights cost a second a step.

    Args:
        filters: Output channels.
        span: Steps of time that a kernel sees, at least 1.
        kernel: Side of the kernel. Defaults to 3.
        stride: Of rows and columns. Defaults to 1.
        pad_time: Add empty steps before and after, `span - 1` in all, so that time keeps its length. Defaults to
            False.
        activation: After the sum. Defaults to none.

    Input shape: `[n, steps, rows, columns, channels]`, steps at least `span` where time is not padded.
    Output shape: `[n, steps - span + 1, rows / stride, columns / stride, filters]`; all steps where it is.
    """

    def __init__(
        self,
        filters: int,
        span: int,
        kernel: int = 3,
        stride: int = 1,
        pad_time: bool = False,
        activation: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters, self.span, self.kernel = filters, span, kernel
        self.stride, self.pad_time, self.activation = stride, pad_time, activation
        self.convolution = keras.layers.Conv2D(
            filters, kernel, strides=stride, padding="same", activation=activation
        )

    def build(self, input_shape: Any) -> None:
        self.convolution.build((None, *input_shape[2:-1], self.span * input_shape[-1]))
        self.built = True

    def call(self, clips: Any) -> Any:
        if self.pad_time:
            before = (self.span - 1) // 2
            around = (before, self.span - 1 - before)
            clips = ops.pad(clips, [(0, 0), around, (0, 0), (0, 0), (0, 0)])
        steps = ops.shape(clips)[1] - self.span + 1
        shifted = [clips[:, start : start + steps] for start in range(self.span)]
        side_by_side = ops.concatenate(shifted, axis=-1) if self.span > 1 else clips
        maps = self.convolution(ops.reshape(side_by_side, (-1, *side_by_side.shape[2:])))
        return ops.reshape(maps, (-1, steps, *maps.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        count, steps, rows, columns, _ = input_shape
        if steps is not None and not self.pad_time:
            steps = steps - self.span + 1
        return (count, steps, -(-rows // self.stride), -(-columns // self.stride), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "span": self.span,
            "kernel": self.kernel,
            "stride": self.stride,
            "pad_time": self.pad_time,
            "activation": self.activation,
        }


@keras.saving.register_keras_serializable("vadray")
class SpatiotemporalContraction(keras.layers.Layer):
    """Halves the picture and shortens time at each step, by 3-D convolutions.

    Time is not padded, so step t of a level is the same whatever comes before and after the frames that it sees:
    a run of frames gives the codes of all its windows in one pass, and every window the codes it would have alone.

    Args:
        filters: Filters of each halving convolution, finest first.
        time: Frames that one code sees, at least 1: kernels span as much of it as brings it to 1 at the last level.

    Input shape: `[n, steps, height, width, channels]`, steps at least `time`.
    Output shape: a list, `[n, steps_i, height / 2**i, width / 2**i, filters[i - 1]]` for i = 1 … len(filters), where
        `steps_i` is steps less what the kernels so far have used, at last `steps - time + 1`.
    """

    def __init__(self, filters: Sequence[int], time: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.time = tuple(filters), time
        whole, rest = divmod(time - 1, len(self.filters))
        # what does not divide goes to the first levels, where channels are fewest
        spans = [1 + whole + (level < rest) for level in range(len(self.filters))]
        self.steps = [
            ClipConvolution(width, span, stride=2, activation=ACTIVATION)
            for width, span in zip(self.filters, spans, strict=True)
        ]

    @property
    def remaining(self) -> list[int]:
        """Steps that a window of `time` frames has left at each level; the last is 1."""
        left, times = self.time, []
        for step in self.steps:
            left -= step.span - 1
            times.append(left)
        return times

    def build(self, input_shape: Any) -> None:
        for step in self.steps:
            step.build(input_shape)
            input_shape = step.compute_output_shape(input_shape)
        self.built = True

    def call(self, frames: Any) -> list[Any]:
        levels = []
        for step in self.steps:
            frames = step(frames)
            levels.append(frames)
        return levels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": list(self.filters), "time": self.time}


def clip_discriminator(filters: Sequence[int], name: str = "discriminator") -> keras.Sequential:
    """Judges short clips, patch by patch: 1 for true, 0 for made.

    The first convolution takes steps of four pixels: what it judges is motion, not texture.

    Input `[n, time, height, width, channels]`; output `[n, time, rows, columns, 1]`.
    """
    steps: list[keras.layers.Layer] = []
    for depth, width in enumerate(filters):
        kernel, stride = (5, 4) if depth == 0 else (3, 2)
        steps.append(ClipConvolution(width, 3, kernel, stride, pad_time=True, activation=ACTIVATION))
    steps.append(ClipConvolution(1, 3, pad_time=True))
    return keras.Sequential(steps, name=name)
