"""How many frames a GPU scores at once: as many as its memory holds, so that it does not wait for the next call."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

BLOCK_FRAMES = 64  # on CPUs, where more gain nothing, and for what is left of a chunk
MOST_FRAMES = 2048
SHARE_OF_FREE = 0.5  # of the device's memory: weights, workspaces and fragments want some too


def large_block(chunk_frames: int, stride: int, bytes_of_block: int, free_bytes: int) -> int:
    """Frames of a large block, a multiple of `stride`: equal parts of a chunk; `BLOCK_FRAMES` where no more fit.

    Args:
        chunk_frames: Most frames that come at once.
        stride: Frames by which windows move.
        bytes_of_block: Bytes that scoring `BLOCK_FRAMES` takes.
        free_bytes: Memory of the device that is free.
    """
    fitting = int(free_bytes * SHARE_OF_FREE * BLOCK_FRAMES / max(1, bytes_of_block))
    most = max(BLOCK_FRAMES, min(MOST_FRAMES, fitting))
    calls = -(-chunk_frames // most)
    return max(BLOCK_FRAMES, chunk_frames // calls) // stride * stride


def bytes_of_results(graph: Any) -> int:
    """Bytes of what all operations of a TensorFlow graph of static shapes give: more than it needs at any time."""
    outputs = [output for operation in graph.get_operations() for output in operation.outputs]
    return sum((output.shape.num_elements() or 0) * output.dtype.size for output in outputs)


def free_device_bytes() -> int | None:
    """Memory that is free on this process's first GPU, as NVIDIA's library tells; None without it or a driver."""
    try:
        import pynvml  # the extra `gpu`
    except ImportError:
        return None
    with _nvml(pynvml) as there:
        if not there:
            return None
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
        if visible.isdigit():
            handle = pynvml.nvmlDeviceGetHandleByIndex(int(visible))
        else:
            handle = pynvml.nvmlDeviceGetHandleByUUID(visible)
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).free)


@contextlib.contextmanager
def _nvml(pynvml: Any) -> Iterator[bool]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()
