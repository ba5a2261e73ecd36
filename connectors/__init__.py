"""What differs per kind of external system: fetch, and pure translation. Imports nothing of the hub."""
