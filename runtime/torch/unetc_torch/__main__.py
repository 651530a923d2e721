"""python -m unetc_torch BUNDLE ...; `run.py` of a bundle does the same for its own."""

from .command import main

if __name__ == "__main__":
    main()
