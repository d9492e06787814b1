"""Starts, watches and stops a whole Jackdaw cluster on this machine.

deploy/run.sh uses it for a cluster one can talk to, the tests for one that ends with them:

    python3 -m cluster --edges 3 --routers 2 -- COMMAND     (with PYTHONPATH=deploy)
"""

from .cluster import Cluster, Trouble

__all__ = ["Cluster", "Trouble"]
