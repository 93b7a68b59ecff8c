"""Losses that several detectors share: of predicted frames, each `[n, height, width, channels]` to `[n]`.

`LOSSES` are those that compare two pictures and nothing else, by the name that a configuration calls them;
`weighted_loss` makes one loss of several.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from keras import ops

from vadray.errors import RequestError

SPREAD_PX = 5
LEAST_GRADIENT = 0.03
SSIM_LUMINANCE, SSIM_CONTRAST = 0.01**2, 0.03**2


def intensity_loss(actual: Any, predicted: Any) -> Any:
    """Mean squared difference."""
    return ops.mean(ops.square(actual - predicted), axis=(1, 2, 3))


def gradient_loss(actual: Any, predicted: Any) -> Any:
    """Mean absolute difference of the sizes of the vertical and horizontal gradients: keeps edges sharp.

    Reference: Mathieu et al., "Deep multi-scale video prediction beyond mean square error", ICLR 2016, equation 6.
    """
    vertical = _size_of_step(actual, 1) - _size_of_step(predicted, 1)
    horizontal = _size_of_step(actual, 2) - _size_of_step(predicted, 2)
    return ops.mean(ops.abs(vertical), axis=(1, 2, 3)) + ops.mean(ops.abs(horizontal), axis=(1, 2, 3))


def structural_dissimilarity(
    actual: Any, predicted: Any, window_px: int = 11, weighting: Literal["gaussian", "uniform"] = "gaussian"
) -> Any:
    """1 - SSIM: 0 for equal pictures, at most 2; luminance, contrast and structure compared around each pixel.

    Squared error forgives blur, which costs a little everywhere; structure does not.

    Args:
        actual: Pictures in 0 to 1.
        predicted: As many.
        window_px: Side of the neighbourhood, odd, at most the picture's. Defaults to 11.
        weighting: Of the neighbours: "gaussian" with a deviation of 1.5 px at 11 px and in proportion otherwise,
            or "uniform". Defaults to "gaussian".

    Raises:
        RequestError: An argument is out of its range.

    Reference: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP
        13(4), 2004, equations 13 to 17: K1 = 0.01, K2 = 0.03, only neighbourhoods that lie within the picture.
    """
    height, width = actual.shape[1:3]
    if window_px < 3 or window_px % 2 == 0 or window_px > min(height, width):
        raise RequestError(
            f"Argument `window_px` must be an odd number from 3 to the picture's side, here {min(height, width)}. "
            f"Received: window_px={window_px}"
        )
    if weighting not in ("gaussian", "uniform"):
        raise RequestError(
            f"Argument `weighting` must be 'gaussian' or 'uniform'. Received: weighting={weighting!r}"
        )
    products = [actual, predicted, actual * actual, predicted * predicted, actual * predicted]
    moments = _around(ops.concatenate(products, axis=-1), window_px, weighting)
    mean, other_mean, square, other_square, product = ops.split(moments, 5, axis=-1)
    luminance = (2 * mean * other_mean + SSIM_LUMINANCE) / (mean**2 + other_mean**2 + SSIM_LUMINANCE)
    covariance = product - mean * other_mean
    variances = square - mean**2 + other_square - other_mean**2
    structure = (2 * covariance + SSIM_CONTRAST) / (variances + SSIM_CONTRAST)
    return 1 - ops.mean(luminance * structure, axis=(1, 2, 3))


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "mse": intensity_loss,
    "ssim": structural_dissimilarity,
    "gradient": gradient_loss,
}


def weighted_loss(weights: Mapping[str, float]) -> Callable[[Any, Any], Any]:
    """One loss from several, by name.

    Args:
        weights: Of each of `LOSSES` that is wanted, as {"mse": 1.0, "ssim": 0.2, "gradient": 0.1}: at least 0, one
            above. A loss of weight 0 is not computed.

    Returns:
        `loss(actual, predicted) -> [n]`, of pictures `[n, …, height, width, channels]`: over the axes between, as
        the steps of a window, the mean is taken.

    Raises:
        RequestError: A name is not in `LOSSES`, a weight is negative or not a number, or none is above 0.

    Example:
        >>> loss = weighted_loss({"mse": 1.0, "ssim": 0.2})
        >>> loss(np.zeros([3, 8, 32, 48, 1], "float32"), np.zeros([3, 8, 32, 48, 1], "float32")).shape
        TensorShape([3])
    """
    for name, weight in weights.items():
        if name not in LOSSES:
            near = difflib.get_close_matches(name, LOSSES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise RequestError(f"losses: expected some of {', '.join(LOSSES)}, received {name!r}{hint}")
        if not (isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0):
            raise RequestError(f"losses: expected a weight of at least 0, received {name}={weight!r}")
    wanted = [(LOSSES[name], float(weight)) for name, weight in weights.items() if weight]
    if not wanted:
        raise RequestError(f"losses: expected at least one weight above 0, received {dict(weights)}")

    def loss(actual: Any, predicted: Any) -> Any:
        picture = (-1, *actual.shape[-3:])
        between = math.prod(actual.shape[1:-3])
        actual, predicted = ops.reshape(actual, picture), ops.reshape(predicted, picture)
        total = sum(weight * of(actual, predicted) for of, weight in wanted)
        return ops.mean(ops.reshape(total, (-1, between)), axis=1)

    return loss


def binary_cross_entropy(labels: Any, logits: Any) -> Any:
    """Classification loss of each sequence: the mean over its frames. `[n, steps]` each, to `[n]`."""
    # log(1 + exp(-|x|)) never overflows
    return ops.mean(ops.maximum(logits, 0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits))), axis=1)


def temporal_coherence(scores: Any) -> Any:
    """Mean squared difference of consecutive scores: `[n, steps]` to `[n]`. An anomaly does not flicker.

    Reference: "Image and Video Anomaly Detection Using AI Based Deep Anomaly Detectors" (2024), step 9 of its
        video algorithm, the sum of |s_t - s_(t-1)|^2. The mean is ours, so that its weight means the same for
        sequences of any length.
    """
    return ops.mean(ops.square(scores[:, 1:] - scores[:, :-1]), axis=1)


def flow_loss(previous: Any, actual: Any, predicted: Any) -> Any:
    """Mean absolute difference, in pixels, of optical flow from `previous` to `actual` and to `predicted`.

    One step of Lucas and Kanade: with the gradient of `previous` and its second moments over `SPREAD_PX` pixels,
    flow is linear in the difference of two frames, so the difference of two flows needs one system of two
    equations at each pixel and no network.

    Reference: Lucas and Kanade, "An Iterative Image Registration Technique with an Application to Stereo Vision",
        IJCAI 1981.
    """
    previous = ops.mean(previous, axis=-1, keepdims=True)
    error = ops.mean(actual - predicted, axis=-1, keepdims=True)[:, 1:-1, 1:-1]
    down = (previous[:, 2:, 1:-1] - previous[:, :-2, 1:-1]) / 2
    right = (previous[:, 1:-1, 2:] - previous[:, 1:-1, :-2]) / 2
    products = [down * down, right * right, down * right, down * error, right * error]
    moments = ops.average_pool(ops.concatenate(products, axis=-1), SPREAD_PX, strides=1, padding="same")
    vertical, horizontal, both, by_down, by_right = (moments[..., number] for number in range(5))
    # where there is no texture there is no flow to be wrong about
    vertical, horizontal = vertical + LEAST_GRADIENT**2, horizontal + LEAST_GRADIENT**2
    determinant = vertical * horizontal - both * both
    flow_down = (horizontal * by_down - both * by_right) / determinant
    flow_right = (vertical * by_right - both * by_down) / determinant
    return ops.mean(ops.abs(flow_down) + ops.abs(flow_right), axis=(1, 2))


def _size_of_step(frames: Any, axis: int) -> Any:
    if axis == 1:
        return ops.abs(frames[:, 1:] - frames[:, :-1])
    return ops.abs(frames[:, :, 1:] - frames[:, :, :-1])


def _around(maps: Any, window_px: int, weighting: str) -> Any:
    """Weighted mean around each pixel that has all its neighbours."""
    weights = np.ones(window_px)
    if weighting == "gaussian":
        distance = np.arange(window_px) - window_px // 2
        weights = np.exp(-0.5 * np.square(distance / (1.5 * window_px / 11)))
    # along rows and then columns: 22 products a pixel where the square has 121
    line = np.repeat((weights / weights.sum())[:, None, None, None], maps.shape[-1], axis=2).astype("float32")
    return ops.depthwise_conv(ops.depthwise_conv(maps, line), line.transpose(1, 0, 2, 3))
