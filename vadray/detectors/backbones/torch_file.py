"""PyTorch's weight files read as data: no PyTorch, and no pickle is executed.

A `.pth` file holds a pickle that says which tensor is which piece of which storage, and the storages as raw bytes;
either in a zip archive (`<name>/data.pkl`, `<name>/data/<key>`) or, before PyTorch 1.6, one after another in one
file. Unpickling may run anything that the file asks for. Here the pickle's instructions are listed by
`pickletools.genops`, which runs none of them, and followed by a small machine that knows tuples, dictionaries and
tensors and refuses the rest.
"""

import hashlib
import io
import math
import pickletools
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vadray.errors import RequestError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}
_DICTIONARY, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_GLOBALS = {_DICTIONARY, _TENSOR, *(f"torch {name}" for name in _STORAGES)}
# the standard BINPUT and its kin number what they keep; MEMOIZE takes the next number
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    "BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
}  # fmt: skip
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# genops raises ValueError, the machine the next four where instructions contradict each other, zipfile the rest
_DAMAGE = (
    ValueError, KeyError, IndexError, TypeError, EOFError,
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError,
)  # fmt: skip


class _Global(str):
    """The name of a class or function that the pickle would import."""


class _Storage(tuple):
    """(key, dtype, elements) of a storage."""


class _Tensor(tuple):
    """(storage, offset, shape, strides), in elements."""


def read_torch_file(path: Path | str) -> dict[str, np.ndarray]:
    """Reads a file of tensors by name, as `torch.save(model.state_dict(), path)` writes it.

    Args:
        path: Of a `.pth` or `.pt` file of either format. Where its name ends in `-` and eight or more hexadecimal
            digits, as PyTorch's hub has it, they must be the first of its SHA-256.

    Returns:
        Arrays by name, copies of their own.

    Raises:
        RequestError: The digest is another, the file is cut or damaged, or its pickle asks for anything but
            dictionaries of tensors.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(
            f"weights: expected a file that can be read, received {path}: {error.strerror}"
        ) from None
    check_digest(path.name, data)
    try:
        return _read_zip(data) if data.startswith(b"PK") else _read_legacy(data)
    except RequestError as error:
        raise RequestError(f"weights {path}: {error}") from None
    except _DAMAGE as error:
        raise RequestError(
            f"weights {path}: expected PyTorch's weights, received a damaged file: {error!r}"
        ) from None


def check_digest(name: str, data: bytes) -> None:
    """Compares a file with the digits of its SHA-256 in its name, if there are any.

    Raises:
        RequestError: They differ.
    """
    found = re.search(r"-([0-9a-f]{8,64})\.[a-z0-9]+$", name)
    received = hashlib.sha256(data).hexdigest()
    if found and not received.startswith(found[1]):
        raise RequestError(
            f"weights {name}: expected a SHA-256 that begins with {found[1]}, received {received}: the file is damaged"
        )


def _read_zip(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pickles = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise RequestError(f"expected one data.pkl in the archive, received {len(pickles)}")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise RequestError("expected little-endian numbers, received big-endian ones")
        tensors = _tensors(_follow(io.BytesIO(archive.read(pickles[0]))))
        contents: dict[str, np.ndarray] = {}
        for key, dtype, count in {tensor[0] for tensor in tensors.values()}:
            entry = archive.getinfo(f"{folder}data/{key}")
            # by the directory, before a byte is unpacked: a small archive may hold any size
            if entry.file_size != count * np.dtype(dtype).itemsize:
                raise RequestError(
                    f"expected {count} numbers in storage {key}, received {entry.file_size} bytes"
                )
            contents[key] = np.frombuffer(archive.read(entry), dtype)
    return {name: _view(tensor, contents) for name, tensor in tensors.items()}


def _read_legacy(data: bytes) -> dict[str, np.ndarray]:
    stream = io.BytesIO(data)
    magic, protocol, system, state, keys = (_follow(stream) for _ in range(5))
    if (magic, protocol) != (LEGACY_MAGIC, LEGACY_PROTOCOL):
        raise RequestError("expected PyTorch's weights, received another kind of file")
    if not system["little_endian"]:
        raise RequestError("expected little-endian numbers, received big-endian ones")
    tensors = _tensors(state)
    storages = {storage[0]: storage for storage in (tensor[0] for tensor in tensors.values())}
    contents: dict[str, np.ndarray] = {}
    for key in keys:
        _, dtype, count = storages[key]
        written = int.from_bytes(stream.read(8), "little", signed=True)
        raw = stream.read(count * np.dtype(dtype).itemsize)
        if written != count or len(raw) != count * np.dtype(dtype).itemsize:
            raise RequestError(
                f"expected {count} numbers in storage {key}, received {written} in {len(raw)} bytes"
            )
        contents[key] = np.frombuffer(raw, dtype)
    return {name: _view(tensor, contents) for name, tensor in tensors.items()}


def _tensors(state: Any) -> dict[str, _Tensor]:
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise RequestError(f"expected a dictionary of tensors by name, received a {type(state).__name__}")
    odd = [name for name, value in state.items() if not isinstance(value, _Tensor)]
    if odd:
        raise RequestError(f"expected tensors only, received something else as {odd[0]!r}")
    return state


def _view(tensor: _Tensor, contents: dict[str, np.ndarray]) -> np.ndarray:
    """The tensor's numbers; strides are checked first, as numpy would read past the end."""
    storage, offset, shape, strides = tensor
    flat = contents[storage[0]]
    sizes = [offset, *shape, *strides]
    if len(shape) != len(strides) or not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise RequestError(
            f"expected a shape and strides of one length, at least 0; received {shape} and {strides}"
        )
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if math.prod(shape) > len(flat) or (math.prod(shape) and last >= len(flat)):
        raise RequestError(f"expected a tensor within its storage of {len(flat)}, received shape {shape}")
    steps = [stride * flat.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False).copy()


def _follow(stream: io.BytesIO) -> Any:
    """What one pickle describes, from its instructions; leaves the stream behind its end."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    for code, argument, position in pickletools.genops(stream):
        name = code.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name == "MARK":
            marks.append(len(stack))
        elif name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[name])
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in _SHORT_TUPLES:
            taken = stack[-_SHORT_TUPLES[name] :]
            del stack[-_SHORT_TUPLES[name] :]
            stack.append(tuple(taken))
        elif name in ("APPEND", "APPENDS"):
            values = [stack.pop()] if name == "APPEND" else since_mark()
            _of_type(stack[-1], list).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = [stack.pop(-2), stack.pop()] if name == "SETITEM" else since_mark()
            _of_type(stack[-1], dict).update(zip(values[::2], values[1::2], strict=True))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]  # type: ignore[index]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])  # type: ignore[index]
        elif name == "GLOBAL":
            if argument not in _GLOBALS:
                raise RequestError(f"expected tensors only; the file would import {argument!r}")
            stack.append(_Global(argument))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_call(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # attributes of the dictionary, such as versions of layers: nothing we read
            _of_type(stack[-1], dict)
        else:
            raise RequestError(
                f"expected tensors only; the file has the instruction {name} at byte {position}"
            )
    raise EOFError("the pickle has no end")


def _of_type(value: Any, expected: type) -> Any:
    if not isinstance(value, expected):
        raise TypeError(f"expected a {expected.__name__}, received a {type(value).__name__}")
    return value


def _storage(described: Any) -> _Storage:
    kind, storage_class, key, _, count = described[:5]
    if kind != "storage" or not isinstance(storage_class, _Global) or not isinstance(count, int):
        raise RequestError(f"expected a storage, received {described!r}")
    return _Storage((_of_type(key, str), _STORAGES[storage_class.removeprefix("torch ")], count))


def _call(function: Any, arguments: Any) -> Any:
    """The two calls that state dictionaries are made of."""
    if isinstance(function, _Global) and function == _DICTIONARY and arguments == ():
        return {}
    if isinstance(function, _Global) and function == _TENSOR:
        storage, offset, shape, strides = arguments[:4]
        return _Tensor((_of_type(storage, _Storage), offset, tuple(shape), tuple(strides)))
    raise RequestError(f"expected tensors only; the file would call {function!r}")
