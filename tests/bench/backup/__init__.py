"""What backups and restores cost, beside copies that are no backups: `python -m tests.bench.backup`."""
