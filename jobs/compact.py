"""`vadray compact` as the entry point of `ray job submit`: the same arguments, see `jobs/configs/compact.yaml`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the submitted working directory

from vadray.cli import main

if __name__ == "__main__":
    sys.exit(main(["compact", *sys.argv[1:]]))
