"""A bundle: a directory that holds a trained detector, its preprocessing, its calibration and its provenance.

    bundle.json        what it is, and the SHA-256 of every other file; written last
    model.keras        architecture and weights
    calibration.json   normal scores and thresholds
    training.png       loss curves, where it was trained
    learned.json       which objects it was made from, where it learned from labels

Nothing in a bundle is a pickle, and the model is loaded with `safe_mode`, so that a bundle cannot run code.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from vadray import __version__, storage
from vadray.calibration.calibration import Calibration
from vadray.errors import RequestError
from vadray.media.flow_code import FLOW_CHANNELS

if TYPE_CHECKING:
    from vadray.detectors.base import Detector

SCHEMA_VERSION = 1
# raised when the same weights would give other scores: it is part of the scoring digest
SCORING_VERSION = 1
MOST_PIXELS = 1 << 14  # of a side of a detector's input

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Bundle:
    """A bundle that was opened and checked.

    Args:
        uri: Where it is.
        info: Content of `bundle.json`.
        digest: SHA-256 of `bundle.json`, and so of everything in the bundle.
    """

    uri: str
    info: dict[str, Any]
    digest: str

    @property
    def detector_name(self) -> str:
        return self.info["detector"]["name"]

    @property
    def kind(self) -> Literal["image", "video"]:
        """ "image" or "video"."""
        return self.info["detector"]["kind"]

    @property
    def scoring_digest(self) -> str:
        """Names the scores: weights, preprocessing and window, not the calibration."""
        return self.info["scoring_digest"]

    @property
    def height(self) -> int:
        return self.info["preprocessing"]["height"]

    @property
    def width(self) -> int:
        return self.info["preprocessing"]["width"]

    @property
    def channels(self) -> int:
        return self.info["preprocessing"]["channels"]

    @property
    def flow(self) -> int:
        """Frames across which optical flow is measured as two more channels; 0 for none."""
        return self.info["preprocessing"].get("flow", 0)

    @property
    def input_channels(self) -> int:
        """Channels of the frames that come in: the picture's, and two of optical flow where it is wanted."""
        return self.channels + (FLOW_CHANNELS if self.flow else 0)

    @property
    def stride(self) -> int:
        return self.info["stride"]

    @property
    def context(self) -> int:
        """Frames of context before the first scored one."""
        return self.info["window"] - self.info["stride"]

    @cached_property
    def calibration(self) -> Calibration:
        if "calibration.json" not in self.info["files"]:
            raise RequestError(f"bundle {self.uri}: it is not calibrated yet; see `vadray calibrate`")
        try:
            return Calibration.from_json(storage.read_bytes(storage.join(self.uri, "calibration.json")))
        except RequestError as error:
            raise RequestError(f"bundle {self.uri}: {error}") from error

    def digest_in(self, precision: Precision) -> str:
        """The scoring digest of scores in this precision: other numbers than those in float32."""
        if precision == "float32":
            return self.scoring_digest
        return sha256(f"{self.scoring_digest} {precision}".encode())[:32]

    def load_detector(self, precision: Precision = "float32") -> "Detector":
        """The detector with its weights. Imports Keras.

        Args:
            precision: What its layers compute in; weights, pictures and scores are float32.
        """
        from vadray.model_file import load_detector

        try:
            detector = load_detector(storage.read_bytes(storage.join(self.uri, "model.keras")), precision)
        except RequestError as error:
            written = self.info["versions"]
            raise RequestError(
                f"bundle {self.uri}: model.keras, written by vadray {written['vadray']} with Keras "
                f"{written['keras']}: {error}"
            ) from error
        described = (self.detector_name, self.height, self.width, self.channels, self.flow, self.stride)
        received = (
            *(detector.name_of_detector, detector.height, detector.width),
            *(detector.channels, detector.flow, detector.stride),
        )
        if described != received:
            raise RequestError(
                f"bundle {self.uri}: model.keras is another detector than bundle.json tells of: expected "
                f"{described}, received {received}"
            )
        return detector


class _Named(BaseModel):
    name: str
    kind: Literal["image", "video"]
    config: dict[str, Any]


class _Preprocessing(BaseModel):
    height: int = Field(gt=0, le=MOST_PIXELS)
    width: int = Field(gt=0, le=MOST_PIXELS)
    channels: Literal[1, 3]
    flow: int = Field(0, ge=0)


class _Info(BaseModel):
    """What must be in `bundle.json`."""

    schema_version: int
    detector: _Named
    preprocessing: _Preprocessing
    window: int = Field(gt=0)
    stride: int = Field(gt=0)
    scoring_digest: str = Field(pattern="^[0-9a-f]{32}$")
    versions: dict[str, str]
    files: dict[str, str]


def open_bundle(uri: str) -> Bundle:
    """Opens a bundle and checks every file against its digest.

    Raises:
        RequestError: It is no bundle, of another schema version, or a file is missing or was changed.
    """
    uri = storage.absolute(uri)
    try:
        content = storage.read_bytes(storage.join(uri, "bundle.json"))
        info = json.loads(content)
        version = _Info.model_validate(info).schema_version
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(
            f"bundle {uri}: expected a bundle (a folder with bundle.json), found none"
        ) from None
    except (ValueError, RecursionError) as error:  # of JSON and of pydantic
        raise RequestError(f"bundle {uri}: bundle.json is not what `vadray train` writes: {error}") from None
    if version != SCHEMA_VERSION:
        raise RequestError(f"bundle {uri}: expected schema version {SCHEMA_VERSION}, received {version}")
    for name, expected in info["files"].items():
        if os.path.basename(name) != name:
            raise RequestError(f"bundle {uri}: bundle.json names a file outside of the bundle: {name!r}")
        try:
            received = sha256(storage.read_bytes(storage.join(uri, name)))
        except FileNotFoundError:
            raise RequestError(f"bundle {uri}: {name} is missing") from None
        if received != expected:
            raise RequestError(
                f"bundle {uri}: {name} was changed: expected SHA-256 {expected}, received {received}"
            )
    return Bundle(uri, info, sha256(content))


def write_bundle(
    out: str,
    detector: "Detector",
    calibration: Calibration | None,
    provenance: dict[str, Any],
    pictures: dict[str, bytes],
    overwrite: bool = False,
) -> Bundle:
    """Writes a bundle; on a local disk it appears whole or not at all, on S3 with `bundle.json` last.

    Args:
        out: Where to.
        detector: A built detector.
        calibration: Its calibration; None for a candidate that is yet to be calibrated.
        provenance: Further keys of `bundle.json`: data, training.
        pictures: Further files by name.
        overwrite: Replace a bundle that is there.

    Raises:
        RequestError: There is a bundle already and `overwrite` is False.
    """
    import keras

    with tempfile.TemporaryDirectory(prefix="vadray-bundle-") as folder:
        detector.save(os.path.join(folder, "model.keras"))
        files = {**pictures, "model.keras": Path(folder, "model.keras").read_bytes()}
    weights = weights_digest(detector)
    own = {
        key: value
        for key, value in detector.get_config().items()
        if key not in ("name", "dtype", "trainable")
    }
    preprocessing = {
        "height": detector.height,
        "width": detector.width,
        "channels": detector.channels,
        "resize": "area",
        "range": [0.0, 1.0],
        # only where it is wanted, so that the digests of detectors without flow stay what they were
        **({"flow": detector.flow} if detector.flow else {}),
    }
    scoring = {
        "scoring_version": SCORING_VERSION,
        "detector": {"name": detector.name_of_detector, "config": own},
        "weights": weights,
        "preprocessing": preprocessing,
    }
    info = {
        "schema_version": SCHEMA_VERSION,
        "detector": {"name": detector.name_of_detector, "kind": detector.kind, "config": own},
        "preprocessing": preprocessing,
        "window": detector.window,
        "stride": detector.stride,
        "weights_digest": weights,
        "scoring_digest": sha256(json.dumps(scoring, sort_keys=True).encode())[:32],
        "versions": {"vadray": __version__, "keras": keras.__version__},
        **provenance,
    }
    return _publish(storage.absolute(out), info, files, calibration, overwrite)


def recalibrate(
    bundle: Bundle,
    calibration: Calibration,
    out: str | None,
    provenance: dict[str, Any],
    overwrite: bool = False,
    more: dict[str, bytes] | None = None,
) -> Bundle:
    """Writes the same detector with another calibration, in place (`out` None) or to `out`; `more` files by name."""
    files = {
        name: storage.read_bytes(storage.join(bundle.uri, name))
        for name in bundle.info["files"]
        if name != "calibration.json"
    } | (more or {})
    info = {key: value for key, value in bundle.info.items() if key != "files"} | provenance
    out = storage.absolute(out) if out else bundle.uri
    return _publish(out, info, files, calibration, overwrite or out == bundle.uri)


def _publish(
    out: str, info: dict[str, Any], files: dict[str, bytes], calibration: Calibration | None, overwrite: bool
) -> Bundle:
    require_free(out, overwrite)
    if calibration:
        files = {**files, "calibration.json": calibration.to_json().encode()}
    info = {**info, "files": {name: sha256(content) for name, content in sorted(files.items())}}
    files["bundle.json"] = json.dumps(info, indent=2, sort_keys=True).encode()  # last: it commits the rest
    if storage.is_s3(out):
        for name, content in files.items():
            storage.write_bytes(storage.join(out, name), content)
        return open_bundle(out)
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f".{os.path.basename(out)}.", dir=os.path.dirname(out))
    for name, content in files.items():
        Path(folder, name).write_bytes(content)
    os.chmod(folder, 0o755)  # mkdtemp makes it private; a bundle is read by other users' jobs
    if os.path.isdir(out):
        old = tempfile.mkdtemp(prefix=f".{os.path.basename(out)}.old.", dir=os.path.dirname(out))
        os.rename(out, os.path.join(old, "bundle"))
        os.rename(folder, out)
        shutil.rmtree(old)
    else:
        os.rename(folder, out)
    return open_bundle(out)


def require_free(out: str, overwrite: bool) -> None:
    """Refuses to write over what is at `out`.

    Raises:
        RequestError: There is a bundle and `overwrite` is False, or something that is no bundle.
    """
    out = storage.absolute(out)
    if storage.exists(storage.join(out, "bundle.json")):
        if not overwrite:
            raise RequestError(f"out: there is a bundle at {out}; choose another, or say overwrite=true")
    elif not storage.is_s3(out) and os.path.exists(out) and (not os.path.isdir(out) or os.listdir(out)):
        raise RequestError(
            f"out: expected a new folder or a bundle, received {out}, which holds something else"
        )


def weights_digest(detector: "Detector") -> str:
    """SHA-256 over the weights' values in order: the same after saving and loading again."""
    digest = hashlib.sha256()
    for variable in detector.variables:
        value = variable.numpy()
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
