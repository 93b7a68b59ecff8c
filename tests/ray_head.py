"""The Ray nodes of `cluster/nodes.py`, under the name that tests know."""

from cluster.nodes import RayHead, WorkerNode, running_ray_head

__all__ = ["RayHead", "WorkerNode", "running_ray_head"]
