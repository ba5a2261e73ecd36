"""WKMB Hub: courses of other institutions over LTI 1.3, what they report as xAPI, and the JP that it is recognized as.

Begin at `hub.application.create_app` (what the web server serves) and `hub.worker.run` (what runs beside it); both
work with the one `hub.runtime.Hub` of their process. docs/architecture.md says how the rest is cut.
"""
