"""`python -m docket` is the same as the command `docket`."""

import sys

from docket.cli import main

sys.exit(main())
