"""Detectors, in Keras, which is loaded without what it does not need here."""

import vadray.keras_alone  # noqa: F401
