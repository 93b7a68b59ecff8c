"""Whether a camera looks where it looked before, from one view a minute."""

from dataclasses import dataclass

from vadray.media.view import Shift, shift_of

MOVED_BY, GAIN, ALIKE = 0.025, 0.03, 0.15  # share of the width; correlations, once the shift is taken back
SAME_SHARE, OTHER_SHARE, TYPICAL_AT_LEAST = 0.5, 0.3, 0.3  # of the typical likeness
UNCLEAR_AT_MOST = 10  # minutes after which a view that is neither counts as what is seen now


def is_shifted(shift: Shift) -> bool:
    """Whether it is the same view from another angle."""
    gain = shift.alike_shifted - shift.alike
    return shift.distance >= MOVED_BY and gain >= GAIN and shift.alike_shifted >= ALIKE


@dataclass(frozen=True)
class UsualView:
    """What a camera looked at in earlier nights at some hour.

    Args:
        view: A JPEG of `media.view.view_of`.
        alike: Correlation of edges of one minute with the next, typically.
        carried: For how many nights it was carried on because the camera looked elsewhere.
    """

    view: bytes
    alike: float
    carried: int = 0

    def is_left(self, view: bytes) -> bool:
        """Whether the camera looks elsewhere now."""
        shift = shift_of(self.view, view)
        other = self.alike >= TYPICAL_AT_LEAST and shift.alike < OTHER_SHARE * self.alike
        return other or is_shifted(shift)


class ViewTrack:
    """Follows one video, or several of a camera that follow each other, against itself.

    Light may change slowly, and at once where a camera switches to infrared; a shift is neither.

    Args:
        rest: What the camera looks at while it is not moved, so far; None at the beginning.
    """

    def __init__(self, rest: bytes | None = None):
        self.rest = rest
        self._moved = False
        self._unclear = 0
        self._likeness: list[float] = []

    @property
    def alike(self) -> float:
        """The typical likeness of a view and the one before."""
        return sorted(self._likeness)[len(self._likeness) // 2] if self._likeness else 0.0

    def look(self, view: bytes) -> bool:
        """Takes the next minute's view; returns whether the camera was moved since `rest`."""
        if self.rest is None:
            self.rest = view
            return False
        shift = shift_of(self.rest, view)
        if is_shifted(shift):
            self._moved, self._unclear = True, 0
            return True
        if shift.alike >= SAME_SHARE * self.alike:
            self._moved = False
            self._likeness.append(shift.alike)
        else:
            self._unclear += 1
            if self._unclear <= UNCLEAR_AT_MOST or self._moved:
                return self._moved
        self.rest, self._unclear = view, 0
        return False
