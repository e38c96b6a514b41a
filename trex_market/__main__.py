"""``python -m trex_market``."""

from trex_market.cli import main

if __name__ == "__main__":
    main()
