"""The Learning Record Store on SQLAlchemy Core: validate, prepare, store, query. No Flask, no HTTP, no clock."""
