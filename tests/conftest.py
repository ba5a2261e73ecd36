"""What every test may use; the fixtures themselves are in ``tests/support/wkmbtest``, one module per concern.

- ``db``, ``database_url``: a migrated database of the test's own, once on SQLite and once on PostgreSQL
- ``empty_database_url``: the same, without any table (for migrations)
- ``hub``, ``new_test_hub``, ``clock``: a hub in the test's own process, and the time that it is there
- ``hub_process``: the hub as its users run it, real processes with a home and a port of their own
- ``browser``, ``browser_path``: the system's Chromium; ``node_path``: node, for peers that we did not write
- the network is banned, loopback excepted
- what would be dear and shows nothing is cheap (`wkmbtest.thrift`)
- what a machine lacks is skipped with one line, or fails where ``WKMB_TEST_REQUIRE`` names it
"""

pytest_plugins = (
    "wkmbtest.requirements",
    "wkmbtest.network",
    "wkmbtest.shared",
    "wkmbtest.thrift",
    "wkmbtest.clusterrules",
    "wkmbtest.databases",
    "wkmbtest.hubs",
    "wkmbtest.processes",
    "wkmbtest.browsers",
)
