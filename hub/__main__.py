"""``python -m hub`` is ``wkmb``."""

from hub.cli import main

if __name__ == "__main__":
    main()
