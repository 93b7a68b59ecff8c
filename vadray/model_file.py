"""Detectors from `model.keras` files, which may come from strangers: nothing but vadray's own classes is made.

Keras's `safe_mode` refuses code in the file (Lambda layers). Its configuration can still name classes and functions of
installed packages; here it may name those that vadray registered, and data types.
"""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vadray.keras_alone import keras  # isort: skip  before others that import it

import vadray.detectors.registry  # noqa: F401  registers the classes that files name
from vadray.errors import RequestError

if TYPE_CHECKING:
    from vadray.detectors.base import Detector

_PLAIN = {("keras", "DTypePolicy")}


def load_detector(content: bytes, precision: str = "float32") -> "Detector":
    """The detector of a file with its weights.

    Args:
        content: Of `model.keras`.
        precision: "float32", or "bfloat16" for layers that compute in that, with weights in float32.

    Raises:
        RequestError: It is no such file, names what is not vadray's, or does not load.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _require_own(json.loads(archive.read("config.json")))
        with tempfile.TemporaryDirectory(prefix="vadray-model-") as folder:
            path = os.path.join(folder, "model.keras")
            Path(path).write_bytes(content)
            with layers_compute_in(precision):
                detector = keras.saving.load_model(path, compile=False, safe_mode=True)
    except RequestError:
        raise
    except Exception as error:  # a stranger's file can make Keras, h5py and zipfile raise anything
        reason = f"{type(error).__name__}: {error}"
        raise RequestError(f"it does not load with Keras {keras.__version__}: {reason}") from error
    return detector


@contextmanager
def layers_compute_in(precision: str) -> Iterator[None]:
    """Detectors that are made meanwhile have layers that compute in "bfloat16", or in "float32"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _require_own(config: Any) -> None:
    """Refuses a configuration that names anything but registered classes of vadray."""
    waiting = [config]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            if "class_name" in one and not _is_own(one):
                raise RequestError(
                    f"expected classes of vadray, received {one.get('module')}.{one['class_name']}: a bundle may not "
                    "run what it brings or names"
                )


def _is_own(one: dict[str, Any]) -> bool:
    registered = str(one.get("registered_name") or one["class_name"])
    if (one.get("module"), one["class_name"]) in _PLAIN:
        return True
    return registered.startswith("vadray>") and registered in keras.saving.get_custom_objects()
