"""Gathers frames into chunks of bounded size, each with the lead-in that its windows need."""

import copy

import numpy as np

from vadray.media.flow import StreamFlow
from vadray.media.motion import FrameFigures, grey_of
from vadray.media.request import DecodedChunk, DecodeRequest, MemberInfo


class ChunkBuilder:
    """Fills preallocated chunks frame by frame.

    A full chunk is held back until the next frame comes, since only then is it known whether it is the last.

    Args:
        request: Gives frame size, `lead_frames`, `chunk_frames` and `flow`.
        info: The source's `MemberInfo`; a copy goes out with each chunk, its `frames` kept up to date.
    """

    def __init__(self, request: DecodeRequest, info: MemberInfo):
        self.info = info
        # The first `flow` frames of the lead-in only tell where those after them moved from: their own flow
        # would need frames from before them. So each frame given has its true flow, however a video is cut.
        self._lead_frames = request.lead_frames - request.flow
        self._chunk_frames = request.chunk_frames
        self._channels, self._across = request.channels, request.flow
        self._shape = (request.height, request.width, request.input_channels)
        self._figures = FrameFigures()
        self._flow = StreamFlow(request.flow) if request.flow else None
        self._chunk = 0
        # place in what is held of the first frame with flow; 0 when none lacks it
        self._first_flow = request.flow
        self._start(())

    def _start(self, lead) -> None:
        self._frames = np.empty((self._lead_frames + self._chunk_frames, *self._shape), np.uint8)
        self._lead = len(lead)
        for i, frame in enumerate(lead):
            self._frames[i] = frame
        self._count = 0
        self._times = np.empty(self._chunk_frames, np.float64)
        self._measured = np.empty((self._chunk_frames, 3), np.float32)

    def lead_in(self, frames) -> None:
        """Sets the context before the first scored frame: the last `lead_frames` frames before it."""
        lead = []
        for frame in frames:
            lead.append(np.empty(self._shape, np.uint8))
            self._figures.remember(self._fill(lead[-1], frame))
        self._start(lead[-self._lead_frames :] if self._lead_frames else ())
        # a whole lead-in has its flow; a shorter one begins with the recording's first frame
        whole = len(lead) == self._lead_frames + self._across
        self._first_flow = 0 if whole else max(0, self._across - (len(lead) - self._lead))
        self._complete_flow()

    def add(self, frame: np.ndarray, time_s: float) -> DecodedChunk | None:
        """Takes the next frame, uint8 `[height, width, channels]`, and gives a chunk if one is complete."""
        complete = None
        if self._count == self._chunk_frames:
            complete = self._emit(last=False)
        place = self._frames[self._lead + self._count]
        self._times[self._count] = time_s
        self._measured[self._count] = self._figures.measure(self._fill(place, frame))
        self._count += 1
        self._complete_flow()
        self.info.frames += 1
        return complete

    def _fill(self, place: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """Puts a frame and its flow in their place; gives what its figures are to be measured on."""
        if self._flow is None:
            place[...] = frame
            return place
        grey = np.array(grey_of(frame))  # a copy: `frame` is the decoder's, `place` will be the consumer's
        place[..., : self._channels] = frame
        place[..., self._channels :] = self._flow.measure(grey)
        return grey[..., None]

    def _complete_flow(self) -> None:
        """Gives a recording's first frames, which have come from nowhere, the flow of the first that has any.

        As if nothing moved they would look more usual than they are.
        """
        if 0 < self._first_flow < self._lead + self._count:
            known = self._frames[self._first_flow, ..., self._channels :]
            self._frames[: self._first_flow, ..., self._channels :] = known
            self._first_flow = 0

    def finish(self) -> DecodedChunk:
        """Gives the final chunk, empty if the unit has no frames."""
        return self._emit(last=True)

    def _emit(self, *, last: bool) -> DecodedChunk:
        used = self._lead + self._count
        frames = self._frames[:used]
        if used < len(self._frames) // 2:
            frames = frames.copy()  # a short unit should not hold a long buffer
        info = copy.copy(self.info)
        info.frames = self.info.frames
        chunk = DecodedChunk(
            member=np.zeros(self._count, np.int32),
            chunk=self._chunk,
            last=last,
            lead=self._lead,
            frames=frames,
            time_s=self._times[: self._count],
            brightness=self._measured[: self._count, 0],
            sharpness=self._measured[: self._count, 1],
            motion=self._measured[: self._count, 2],
            members=(info,),
        )
        self._chunk += 1
        self._first_flow = 0
        if not last:
            if self._flow is None:
                self._figures.remember(frames[-1].copy())  # the consumer may write into the chunk
            self._start(frames[max(0, used - self._lead_frames) :] if self._lead_frames else ())
        return chunk
