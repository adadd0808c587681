"""Sizing of a database host in pieces: what it is made of, its connections, its memory, the settings that follow."""
