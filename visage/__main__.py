"""`python -m visage`: the command, of whichever interpreter is named."""

from __future__ import annotations

from visage.cli.main import main

if __name__ == "__main__":
    main()
