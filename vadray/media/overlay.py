"""What is drawn over and under a picture of an event: its box, its peak, and the scores around it."""

from dataclasses import dataclass

import cv2
import numpy as np

STRIP_ROWS = 56
RED, WHITE, GREY, BLUE = (235, 40, 40), (245, 245, 245), (70, 74, 82), (126, 166, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Curve:
    """Scores over time, to be drawn under each picture.

    Args:
        time_s: Seconds, float `[n]`, rising.
        score: Scores, float `[n]`.
        anomalous: Which belong to an event, bool `[n]`.
    """

    time_s: np.ndarray
    score: np.ndarray
    anomalous: np.ndarray


class Overlay:
    """Draws one film's pictures.

    Args:
        curve: The film's scores.
        box: x, y, width and height of the event in the picture.
        width: Columns of the pictures.
    """

    def __init__(self, curve: Curve, box: tuple[int, int, int, int], width: int):
        self._curve, self._box, self._width = curve, box, width
        self._strip = self._drawn_strip()

    def draw(self, picture: np.ndarray, time_s: float, peak: tuple[int, int] | None, text: str) -> np.ndarray:
        """The picture with the event's box and peak, and the strip of scores below it.

        Args:
            picture: uint8 `[rows, columns, 3]` RGB; is not changed.
            time_s: Its time.
            peak: Its most unusual point, x and y; None outside of events, where no box is drawn either.
            text: What stands above the scores.
        """
        drawn = np.ascontiguousarray(picture).copy()
        if peak is not None:
            x, y, width, height = self._box
            cv2.rectangle(drawn, (x, y), (x + width - 1, y + height - 1), RED, 2)
            cv2.drawMarker(drawn, peak, RED, cv2.MARKER_CROSS, 12, 2)
        strip = self._strip.copy()
        at = self._column(np.array([time_s]))[0]
        cv2.line(strip, (at, 0), (at, STRIP_ROWS - 1), WHITE, 1)
        cv2.putText(strip, text, (6, 14), _FONT, 0.42, WHITE, 1, cv2.LINE_AA)
        return np.concatenate([drawn, strip])

    def _drawn_strip(self) -> np.ndarray:
        strip = np.full((STRIP_ROWS, self._width, 3), 24, np.uint8)
        columns = self._column(self._curve.time_s)
        for column in columns[self._curve.anomalous]:
            cv2.line(strip, (column, 0), (column, STRIP_ROWS - 1), GREY, 1)
        low, high = float(self._curve.score.min()), float(self._curve.score.max())
        share = (self._curve.score - low) / (high - low) if high > low else np.full(len(columns), 0.5)
        rows = np.round(STRIP_ROWS - 4 - share * (STRIP_ROWS - 26)).astype(np.int32)
        points = np.stack([columns, rows], axis=1).astype(np.int32)
        cv2.polylines(strip, [points], False, BLUE, 1, cv2.LINE_AA)
        return strip

    def _column(self, time_s: np.ndarray) -> np.ndarray:
        first, last = self._curve.time_s[0], self._curve.time_s[-1]
        share = (time_s - first) / (last - first) if last > first else np.zeros(len(time_s))
        return np.clip(np.round(share * (self._width - 1)), 0, self._width - 1).astype(int)
