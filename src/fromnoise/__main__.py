"""python -m fromnoise is the command fromnoise."""

from fromnoise.cli.main import main

raise SystemExit(main())
