"""LMS Sandbox: a small, fictional training institution that speaks LTI 1.3 and xAPI.

A program of its own (`python -m connectors.sandbox`): its own process, its own SQLite file, its own RSA key.
It imports nothing of the project and nothing imports it, so that a launch of it proves what a launch of
anybody's LMS would prove. An admin tries a hub with it; tests use it as a course provider that misbehaves
on demand.

Follow one launch: `web` (routes) -> `lti` (PyLTI1p3 as tool: login, launch) -> `store` (the launch, and the
reports it owes) -> `courier` (token endpoint, AGS score, `xapi_fetch`, statements), changed by `faults`.
"""
