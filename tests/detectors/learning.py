"""What the detectors' tests share: synthetic footage, a short training as the trainer's, and the checks of all."""

import keras
import numpy as np

from vadray.model_file import load_detector

HEIGHT, WIDTH = 32, 48


def footage(count: int, seed: int, channels: int = 1) -> np.ndarray:
    """Normal frames, uint8 `[count, 32, 48, channels]`: a still scene, noise, flicker and a small slow walker."""
    random = np.random.default_rng(seed)
    frames = np.linspace(40, 120, WIDTH)[None, None, :] + np.linspace(0, 40, HEIGHT)[None, :, None]
    frames = frames + random.normal(0, 2, (count, HEIGHT, WIDTH)) + random.normal(0, 4, (count, 1, 1))
    start = random.integers(0, WIDTH)
    for index in range(count):
        column = (start + index) % (WIDTH - 4)
        frames[index, 22:28, column : column + 4] -= 25
    return np.repeat(np.clip(frames, 0, 255).astype(np.uint8)[..., None], channels, axis=-1)


def with_anomaly(frames: np.ndarray) -> np.ndarray:
    """The same frames with a bright square in the last one."""
    frames = frames.copy()
    frames[-1, 8:20, 16:28, :] = 250
    return frames


def windows_of(detector, frames: np.ndarray) -> np.ndarray:
    """Every window of a run of frames, prepared, float32 `[n, window, height, width, input_channels]`."""
    prepared = np.asarray(detector.prepare(frames))
    last = len(frames) - detector.window
    return np.stack([prepared[start : start + detector.window] for start in range(last + 1)])


def mean_loss(detector, frames: np.ndarray) -> float:
    """Mean training loss of every window of a run of frames."""
    return float(np.mean(detector.sample_loss(windows_of(detector, frames))))


def learn(detector, frames: np.ndarray, steps: int, learning_rate: float = 0.01, batch: int = 16) -> None:
    """Trains on a run of frames as the trainer does: the model, then its adversary where it has one."""
    import tensorflow as tf

    windows = tf.constant(windows_of(detector, frames))
    parts = [(detector.sample_loss, detector.learned_variables)]
    if detector.adversary_variables:
        parts.append((detector.adversary_loss, detector.adversary_variables))
    optimizers = [keras.optimizers.Adam(learning_rate) for _ in parts]
    for optimizer, (_, variables) in zip(optimizers, parts, strict=True):
        optimizer.build(variables)

    @tf.function
    def step(chosen):
        for optimizer, (loss_of, variables) in zip(optimizers, parts, strict=True):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(loss_of(tf.gather(windows, chosen)))
            optimizer.apply(tape.gradient(loss, variables), variables)

    random = np.random.default_rng(0)
    for _ in range(steps):
        step(tf.constant(random.integers(0, len(windows), batch)))


def assert_round_trip(detector, folder) -> None:
    """Saved and loaded, it has the same configuration and gives the same scores."""
    frames = random_frames(detector, 2 * detector.stride)
    detector.save(folder / "model.keras")
    again = load_detector((folder / "model.keras").read_bytes())
    assert again.get_config() == detector.get_config()
    for ours, theirs in zip(detector.score(frames), again.score(frames), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def assert_scores_do_not_depend_on_the_cut(detector) -> None:
    """A run scored at once, and in parts that each bring their context, is scored alike; shapes hold, all finite."""
    step, context = detector.stride, detector.context
    frames = random_frames(detector, 3 * step)
    whole = [np.asarray(value) for value in detector.score(frames)]
    rows, columns = detector.height // detector.cell, detector.width // detector.cell
    assert [value.shape for value in whole] == [(3 * step,), (3 * step, rows, columns), (3 * step,)]
    assert all(np.isfinite(value).all() for value in whole)
    parts = [frames[: context + step], frames[step:]]
    parted = [detector.score(part) for part in parts]
    for value, *pieces in zip(whole, *parted, strict=True):
        np.testing.assert_allclose(value, np.concatenate(pieces), rtol=1e-4, atol=1e-6)


def assert_learns(detector, steps: int, learning_rate: float = 0.01) -> None:
    """The loss of held-out normal footage falls, and a planted anomaly passes 95 % of normal scores."""
    train, held = footage(96, seed=1), footage(48, seed=2)
    before = mean_loss(detector, held)
    learn(detector, train, steps, learning_rate)
    assert mean_loss(detector, held) < before / 2
    odd = with_anomaly(held)
    length = (len(held) - detector.context) // detector.stride * detector.stride + detector.context
    normal = np.asarray(detector.score(held[-length:])[0])
    assert np.asarray(detector.score(odd[-length:])[0])[-1] > np.quantile(normal, 0.95)


def random_frames(detector, count: int) -> np.ndarray:
    """uint8 noise, `count` frames after the context."""
    shape = (detector.context + count, detector.height, detector.width, detector.input_channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
