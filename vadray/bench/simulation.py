"""A sweep's scoring on a cluster that is not there: decode and score actors, bounded queues, one driver.

Pure: times of stages in, the course of a night out, by SimPy's discrete events. `vadray bench scale` measures the times and
holds the outcome against real clusters of one and two nodes.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vadray.errors import RequestError

if TYPE_CHECKING:
    import simpy

Steps = Generator["simpy.Event", Any, None]
TASKS_AHEAD = 2  # that Ray Data hands to an actor while it has one in hand
CHUNKS_HELD = 2  # that a task of Ray Data may have yielded without the driver having taken them


@dataclass(frozen=True)
class Stages:
    """How long things take.

    Args:
        decode_s: Of a frame, on one CPU.
        score_s: Of a frame: on a GPU, or on one CPU where decoding and scoring share an actor.
        chunk_s: Of a chunk besides: writing its scores.
        task_s: Of the driver, for each task that it hands out.
        start_s: From an actor's creation to its first frame.
        send_s: Of a decoded chunk, from one node to another.
    """

    decode_s: float
    score_s: float
    chunk_s: float = 0.0
    task_s: float = 0.0
    start_s: float = 0.0
    send_s: float = 0.0


@dataclass(frozen=True)
class Actors:
    """The actors of a cluster.

    Args:
        decode: Decode actors; without `score`, actors that decode and score.
        score: Score actors, one a GPU.
        chunks: Decoded chunks that the cluster's object store holds.
    """

    decode: int
    score: int = 0
    chunks: int = 1024

    def __post_init__(self) -> None:
        if self.decode < 1 or self.score < 0 or self.chunks < 1:
            raise ValueError(f"Expected `decode` >= 1, `score` >= 0, `chunks` >= 1. Received: {self}")


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Args:
        wall_s: From the start of the actors to the last score.
        decoding: Share of that time in which a decode actor decoded, or decoded and scored.
        scoring: Share in which a score actor scored; 0 without any.
        driver: Share in which the driver handed out tasks.
        chunks: Most decoded chunks that waited at once.
    """

    wall_s: float
    decoding: float
    scoring: float
    driver: float
    chunks: int


def simulate(actors: Actors, stages: Stages, blocks: Sequence[Sequence[int]]) -> Outcome:
    """Runs a night.

    Args:
        actors: Who works.
        stages: How long each step takes.
        blocks: What one task takes in hand: the frames of each of its chunks, in order.

    Raises:
        RequestError: SimPy is not installed.
    """
    return _Night(actors, stages, blocks).run()


class _Night:
    def __init__(self, actors: Actors, stages: Stages, blocks: Sequence[Sequence[int]]):
        try:
            import simpy
        except ModuleNotFoundError:
            raise RequestError(
                "the simulation needs SimPy, which is not installed: pip install 'vadray[bench]'"
            ) from None
        self._actors, self._stages = actors, stages
        self._env = simpy.Environment()
        self._driver = simpy.Resource(self._env)
        self._blocks = deque(blocks)
        self._left = sum(len(block) for block in blocks)
        self._done = self._env.event()
        # between decoders and scorers: what the store holds, and what was handed to an actor already
        self._decoded = simpy.Store(self._env, actors.chunks)
        self._ready = simpy.Store(self._env, max(1, actors.score * TASKS_AHEAD))
        self._decoding = self._scoring = self._driving = 0.0
        self._waiting = self._most = 0

    def run(self) -> Outcome:
        if not self._left:
            return Outcome(0.0, 0.0, 0.0, 0.0, 0)
        for _ in range(self._actors.decode):
            self._env.process(self._decode())
        for _ in range(self._actors.score):
            self._env.process(self._score())
        if self._actors.score:
            self._env.process(self._hand_over())
        self._env.run(until=self._done)
        wall = float(self._env.now)
        scorers = max(1, self._actors.score)
        return Outcome(
            wall_s=wall,
            decoding=self._decoding / (wall * self._actors.decode),
            scoring=self._scoring / (wall * scorers),
            driver=self._driving / wall,
            chunks=self._most,
        )

    def _task(self) -> Steps:
        with self._driver.request() as turn:
            yield turn
            yield self._env.timeout(self._stages.task_s)
        self._driving += self._stages.task_s

    def _decode(self) -> Steps:
        import simpy

        stages = self._stages
        held = simpy.Resource(self._env, CHUNKS_HELD)
        yield self._env.timeout(stages.start_s)
        while self._blocks:
            block = self._blocks.popleft()
            yield from self._task()
            for frames in block:
                seconds = frames * stages.decode_s
                if not self._actors.score:
                    seconds += frames * stages.score_s + stages.chunk_s
                yield self._env.timeout(seconds)
                self._decoding += seconds
                if self._actors.score:
                    turn = held.request()
                    yield turn
                    self._waiting += 1
                    self._most = max(self._most, self._waiting)
                    self._env.process(self._yielded(frames, held, turn))
                else:
                    self._finish()

    def _yielded(
        self, frames: int, held: "simpy.Resource", turn: "simpy.resources.resource.Request"
    ) -> Steps:
        yield self._decoded.put(frames)
        held.release(turn)

    def _hand_over(self) -> Steps:
        while True:
            frames = yield self._decoded.get()
            yield from self._task()
            yield self._ready.put(frames)

    def _score(self) -> Steps:
        stages = self._stages
        yield self._env.timeout(stages.start_s)
        while True:
            frames = yield self._ready.get()
            seconds = stages.send_s + frames * stages.score_s + stages.chunk_s
            yield self._env.timeout(seconds)
            self._scoring += seconds
            self._waiting -= 1
            self._finish()

    def _finish(self) -> None:
        self._left -= 1
        if not self._left:
            self._done.succeed()
