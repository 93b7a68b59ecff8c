"""Keras without scikit-learn and Matplotlib, which it loads where they are installed.

It wants them for wrappers and pictures that vadray makes without it. They are a third of what loading Keras and
TensorFlow costs, in every worker of every sweep. Who imports them afterwards gets them.
"""

import sys

_left_out = [name for name in ("sklearn", "matplotlib") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_left_out))  # type: ignore[arg-type]  # None: to import it raises ImportError
try:
    import keras
finally:
    for _name in _left_out:
        del sys.modules[_name]

__all__ = ["keras"]
