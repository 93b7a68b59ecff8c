"""Networks of `keras.applications` by name, with weights from a file."""

import difflib
import inspect
import os
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import keras

from vadray.errors import RequestError


def application(name: str, height: int, width: int) -> tuple[keras.Model, Callable[[Any], Any]]:
    """A network of `keras.applications` without its classifier and without weights.

    Args:
        name: Of the function that makes it, such as "ResNet50".
        height: Rows of its input.
        width: Columns of its input.

    Returns:
        The network, and the function that turns RGB bytes as floats into what its ImageNet weights expect.

    Raises:
        RequestError: There is no such network, or it does not take pictures of this size.
    """
    found = _by_name()
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        raise RequestError(
            f"backbone: expected efficientnet_lite0 or a network of keras.applications, received {name!r}"
            + (f"; did you mean {near[0]}?" if near else "")
        )
    module = found[name]
    try:
        # the name is ours: the default one counts up, and with it the paths of the weights in a saved model
        network = getattr(module, name)(
            include_top=False, weights=None, input_shape=(height, width, 3), name=name.lower()
        )
    except ValueError as error:
        raise RequestError(f"backbone: {name} does not take pictures of {height}x{width}: {error}") from None
    return network, module.preprocess_input


def load_file(network: keras.Model, path: str | os.PathLike) -> None:
    """Gives a network the weights of a file: `.weights.h5`, or the `.h5` that Keras publishes ("notop").

    Raises:
        RequestError: There is no such file, or its weights are another network's.
    """
    path = os.fspath(path)
    if not path.endswith(".h5"):
        raise RequestError(f"weights: expected a path that ends in .weights.h5 or .h5, received {path!r}")
    if not os.path.isfile(path):
        raise RequestError(f"weights: expected a file, found none at {path!r}")
    try:
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise RequestError(f"weights {path}: expected those of {network.name}: {error}") from error


def _by_name() -> dict[str, Any]:
    """Modules of `keras.applications` by the networks that they make."""
    found: dict[str, Any] = {}
    for entry in pkgutil.iter_modules(keras.applications.__path__):
        module = import_module(f"keras.applications.{entry.name}")
        if hasattr(module, "preprocess_input"):
            made = inspect.getmembers(module, inspect.isfunction)
            found |= {name: module for name, _ in made if name[0].isupper()}
    return found
