"""Counts how often a piece of work was begun and not ended, so that what kills its worker is not tried for ever.

Ray begins a task of an actor that died again without end (Ray Data 2.60 sets `max_task_retries=-1`); a limit there
would end the whole sweep. So the stages ask, and give the piece up as a row of the report.
"""

import ray

MOST_TRIES = 4  # beyond what bad luck (a lost node, a worker killed for another's memory) explains


class Tries:
    """Counts for the workers of one scoring; it travels to them. Ends with the process that made it.

    Args:
        most: How often anything may be begun.
    """

    def __init__(self, most: int = MOST_TRIES):
        self.most = most
        self._counter = _Counter.remote()  # type: ignore[attr-defined]

    def begin(self, name: str) -> bool:
        """Tells that a piece of work is begun; False where it took its workers along too often."""
        return ray.get(self._counter.begin.remote(name)) <= self.most

    def end(self, name: str) -> None:
        """Tells that it came to its end. Does not wait."""
        self._counter.end.remote(name)


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class _Counter:
    def __init__(self):
        self._begun: dict[str, int] = {}

    def begin(self, name: str) -> int:
        self._begun[name] = self._begun.get(name, 0) + 1
        return self._begun[name]

    def end(self, name: str) -> None:
        self._begun.pop(name, None)
