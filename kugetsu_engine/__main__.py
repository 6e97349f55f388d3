"""`python -m kugetsu_engine`: the command line and the headless engine, without the console."""

import sys

from .cli.main import main

sys.exit(main())
