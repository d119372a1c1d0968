"""Start here: ``aiops`` and ``python -m aiops``."""

from __future__ import annotations

from aiops.cli import face


def main() -> None:
    """Run the command line and exit with its code."""
    face(prog_name="aiops")


if __name__ == "__main__":
    main()
