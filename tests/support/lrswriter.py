"""A process that stores statements as fast as it can: `python lrswriter.py URL THREADS`.

After each COMMIT it prints the ids, one batch a line; whatever it printed must be there for ever.
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from lrs.database import Database  # noqa: E402
from lrstest import Store, statement  # noqa: E402


def main(url: str, threads: int) -> None:
    store = Store(Database(url))
    lock = threading.Lock()

    def write() -> None:
        while True:
            saved = store.save(*(statement() for _ in range(random.randrange(1, 4))))
            with lock:
                print(*saved.ids, flush=True)

    for _ in range(threads):
        threading.Thread(target=write, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
