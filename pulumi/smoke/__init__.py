"""The first proof on a real account: a small stack of its own is made, looked at and taken away again.

Never run by this project: it has no account. Each step is tested with recorded commands.
"""
