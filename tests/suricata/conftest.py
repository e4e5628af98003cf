"""Run by `make suricata` alone: Debian 12 has no package of it, so it runs in the tree of another release."""

import os

TREE = os.environ.get("SURICATA_TREE", "")
collect_ignore_glob = [] if TREE else ["test_*.py"]
