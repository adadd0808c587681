"""Declared access of a PostgreSQL cluster: model, catalog, plan (runs on the host, standard library only)."""
