"""How the hub is run: logs, metrics and traces, what its operators ask of it, backups."""
