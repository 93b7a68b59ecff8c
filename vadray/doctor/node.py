"""One machine of a cluster: its libraries, devices, memory and disk."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata

import psutil

from vadray.doctor.finding import Finding

LIBRARIES = ("vadray", "ray", "tensorflow", "keras", "numpy", "av", "opencv-python-headless", "deltalake")
# what an actor that decodes and scores came to with a small detector: 0.9 GB, its decoding child 0.2 GB
ACTOR_BYTES = 1.5 * 2**30
SPARE_DISK_BYTES = 10 * 2**30
DEVICES_TIMEOUT_S = 300
_COUNT_GPUS = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"


def examine_node(gpus: int, actors: int, memory_bytes: float, object_store_bytes: float) -> list[Finding]:
    """Looks at this machine.

    Args:
        gpus: That Ray has here.
        actors: That a sweep would put here.
        memory_bytes: That Ray gives its workers here.
        object_store_bytes: Of Ray's object store here.
    """
    return [
        libraries(),
        devices(gpus),
        memory(actors, memory_bytes),
        shared_memory(object_store_bytes),
        disk(),
    ]


def versions() -> dict[str, str]:
    """Versions that must be the same on every machine of a cluster, by name."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def libraries() -> Finding:
    """Whether they are all there, and what OpenCV of a desktop brings."""
    found = versions()
    said = ", ".join(f"{name} {version}" for name, version in found.items())
    absent = [name for name, version in found.items() if version == "absent"]
    if absent:
        return Finding("libraries", "fault", said, f"pip install {' '.join(absent)}")
    desktop = [name for name in ("opencv-python", "opencv-contrib-python") if metadata_has(name)]
    if desktop:
        advice = f"pip uninstall {' '.join(desktop)}, and then pip install --force-reinstall opencv-python-headless"
        return Finding("libraries", "warning", f"{said}; two OpenCVs in one place", advice)
    return Finding("libraries", "ok", said)


def metadata_has(name: str) -> bool:
    """Whether a distribution is installed."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def devices(gpus: int) -> Finding:
    """GPUs by the driver, by Ray and by TensorFlow, which is asked in a process of its own: it keeps what it opens."""
    driver = _lines(["nvidia-smi", "-L"])
    if gpus == 0 and not driver:
        return Finding("GPUs", "ok", "none: scoring runs on CPUs")
    # Ray hides GPUs from whoever did not ask for one
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    answer = _lines([sys.executable, "-c", _COUNT_GPUS], environment)
    seen = int(answer[-1]) if answer and answer[-1].isdigit() else 0
    said = f"{len(driver)} by the driver, {gpus} by Ray, {seen} by TensorFlow"
    if seen < gpus:
        advice = "pip install 'vadray[gpu]' on this machine, and look whether its driver is new enough for that CUDA"
        return Finding("GPUs", "fault", said, advice)
    if gpus < seen:
        return Finding("GPUs", "warning", said, f"start Ray here with --num-gpus={seen}")
    return Finding("GPUs", "ok", said)


def _lines(command: list[str], environment: dict[str, str] | None = None) -> list[str]:
    """What a command prints; nothing where there is no such command or it fails."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=DEVICES_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.strip().splitlines()


def memory(actors: int, memory_bytes: float) -> Finding:
    """Whether the actors of this machine fit its memory."""
    wanted = actors * ACTOR_BYTES
    said = f"{_gib(memory_bytes)} for {actors} actors of some {_gib(ACTOR_BYTES)}"
    if wanted > memory_bytes:
        fitting = max(int(memory_bytes / ACTOR_BYTES), 0)
        advice = f"at most {fitting} actors here (actors=), or more memory: Ray ends workers of a machine that runs out"
        return Finding("memory", "warning" if fitting else "fault", said, advice)
    return Finding("memory", "ok", said)


def shared_memory(object_store_bytes: float) -> Finding:
    """Ray's object store lies in /dev/shm, and in /tmp where that is too small."""
    there = shutil.disk_usage("/dev/shm").total if os.path.isdir("/dev/shm") else 0
    said = f"/dev/shm has {_gib(there)}, Ray's object store {_gib(object_store_bytes)}"
    if there < object_store_bytes:
        advice = "a larger /dev/shm: docker run --shm-size, or an emptyDir of medium Memory; frames pass through it"
        return Finding("object store", "warning", said, advice)
    return Finding("object store", "ok", said)


def disk() -> Finding:
    """Room for Ray's logs and spilling, and for the files of a table before they are uploaded."""
    folder = tempfile.gettempdir()
    usage = shutil.disk_usage(folder)
    said = f"{_gib(usage.free)} free of {_gib(usage.total)} in {folder}"
    if usage.free < SPARE_DISK_BYTES:
        advice = (
            f"{_gib(SPARE_DISK_BYTES)} at least, or another TMPDIR: plans and tables are written there first"
        )
        return Finding("disk", "warning", said, advice)
    return Finding("disk", "ok", said)


def host() -> str:
    """This machine in a few words."""
    return f"{platform.node()}, {psutil.cpu_count()} CPUs, {platform.system()} {platform.machine()}"


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
