"""Windows of a run of frames, and time as channels."""

from typing import Any

from keras import ops


def windows_of(run: Any, window: int, stride: int, length: int | None = None) -> Any:
    """Windows of a run of frames, or of their codes.

    Args:
        run: `[window - stride + n, …]`, `n` a multiple of `stride`.
        window: Frames of a window.
        stride: Frames by which windows move.
        length: How many of each window's first frames are wanted. Defaults to all.

    Returns:
        `[n / stride, length, …]`.
    """
    starts = ops.arange(0, ops.shape(run)[0] - (window - stride), stride)
    steps = ops.arange(window if length is None else length)
    return ops.take(run, starts[:, None] + steps[None, :], axis=0)


def stacked(windows: Any) -> Any:
    """Time as channels: `[n, time, height, width, channels]` to `[n, height, width, time * channels]`."""
    time, height, width, channels = windows.shape[1:]
    moved = ops.transpose(windows, (0, 2, 3, 1, 4))
    return ops.reshape(moved, (-1, height, width, time * channels))


def unstacked(maps: Any, time: int) -> Any:
    """Undoes `stacked`: `[n, height, width, time * channels]` to `[n, time, height, width, channels]`."""
    height, width, depth = maps.shape[1:]
    parted = ops.reshape(maps, (-1, height, width, time, depth // time))
    return ops.transpose(parted, (0, 3, 1, 2, 4))


def flat(windows: Any) -> Any:
    """`[n, time, …]` to `[n * time, …]`."""
    return ops.reshape(windows, (-1, *windows.shape[2:]))


def repeated(frame: Any, times: int) -> Any:
    """The same picture `times` times on the channel axis."""
    return frame if times == 1 else ops.concatenate([frame] * times, axis=-1)
