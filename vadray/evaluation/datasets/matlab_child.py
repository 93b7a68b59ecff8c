"""A program that reads masks from a MATLAB file: its bytes come in, packed masks go out as two NumPy arrays.

It is a process of its own because SciPy's reader can end with a segmentation fault where one byte of a file is
damaged. It imports nothing of vadray, to start quickly.
"""

import io
import sys

import numpy as np
from scipy.io import loadmat


def main() -> None:
    """Argument: the variable's name. On failure the last line of stderr says why, and the exit status is 1."""
    variable = sys.argv[1]
    try:
        volume = loadmat(io.BytesIO(sys.stdin.buffer.read()), variable_names=(variable,)).get(variable)
    except NotImplementedError:
        sys.exit("a MATLAB file of version 7.3, which is HDF5; versions 4 to 7 can be read")
    except Exception as error:  # of a damaged file it may raise nearly anything
        sys.exit(f"no MATLAB file: {type(error).__name__}: {error}")
    frames: list = []
    if isinstance(volume, np.ndarray) and volume.dtype == object:
        frames = list(volume.ravel())
    elif isinstance(volume, np.ndarray) and volume.ndim == 3:
        frames = list(np.moveaxis(volume, 2, 0))
    # inside a cell array there may be anything
    forms = {
        frame.shape if isinstance(frame, np.ndarray) and frame.dtype.kind in "buif" else None
        for frame in frames
    }
    if len(forms) != 1 or None in forms or frames[0].ndim != 2:
        sys.exit("none" if volume is None else f"{type(volume).__name__} {getattr(volume, 'shape', '')}")
    packed = np.stack([np.packbits(frame != 0, axis=1) for frame in frames])
    output = io.BytesIO()  # NumPy cannot write to a pipe itself
    np.save(output, np.array(frames[0].shape[1]))
    np.save(output, packed)
    sys.stdout.buffer.write(output.getbuffer())


if __name__ == "__main__":
    main()
