"""Transfer learning: a new detector begins with the encoder of a trained one."""

import re
from collections import defaultdict
from typing import Any

import keras

from vadray.errors import RequestError

# "encoder", "encoder_1", "spatial_encoder"; not "convolutional_autoencoder"
_ENCODER = re.compile(r"(^|_)encoder(_|$)")


def transfer_encoder(detector: keras.Model, source_detector: keras.Model) -> list[str]:
    """Copies the encoder's weights of one detector into another, where names and shapes agree.

    What an encoder learned of edges and textures serves other scenes and other detectors; what else a detector has
    learned (its code, its temporal model, what is normal) belongs to its own footage and stays. The detectors
    may be of different classes, sizes and windows: convolutions do not know the picture's size.

    Args:
        detector: Built; changed in place.
        source_detector: Built; of a bundle, `open_bundle(uri).load_detector()`, or any Keras model whose encoder
            has "encoder" in its name.

    Returns:
        Names of the weights that were copied, such as "encoder/conv2d_1/kernel", in the order of `detector`. A
        name counts layers of a kind within their parent, so that it does not depend on what was made before.

    Raises:
        RequestError: No weight agrees in name and shape.

    Example:
        >>> copied = transfer_encoder(detector, open_bundle("bundles/camera-7").load_detector())
    """
    wanted, offered = _encoder_weights(detector), _encoder_weights(source_detector)
    copied = [
        name for name, weight in wanted.items() if name in offered and offered[name].shape == weight.shape
    ]
    if not copied:
        raise RequestError(
            f"source: expected a detector whose encoder agrees with that of {_said(detector, wanted)} in a weight's "
            f"name and shape; received {_said(source_detector, offered)}"
        )
    for name in copied:
        wanted[name].assign(offered[name])
    return copied


def _encoder_weights(model: keras.Model) -> dict[str, Any]:
    """Weights of the encoders by their name from the encoder on."""
    # Keras numbers unnamed layers through the whole process: here they are numbered anew within each parent
    numbers: dict[str, dict[str, int]] = defaultdict(dict)
    found = {}
    for weight in model.weights:
        parent, names = "", []
        for part in weight.path.split("/"):
            stem = re.sub(r"_\d+$", "", part)
            siblings = numbers[f"{parent}/{stem}"]
            number = siblings.setdefault(part, len(siblings))
            names.append(f"{stem}_{number}" if number else stem)
            parent = f"{parent}/{part}"
        start = next((place for place, name in enumerate(names) if _ENCODER.search(name)), None)
        if start is not None:
            found["/".join(names[start:])] = weight
    return found


def _said(model: keras.Model, weights: dict[str, Any]) -> str:
    first = next((f"{name} {tuple(weight.shape)}" for name, weight in weights.items()), None)
    return f"{type(model).__name__} ({f'{len(weights)} from {first} on' if first else 'without an encoder'})"
