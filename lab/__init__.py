"""The machine room: real hosts on one machine. Production uses nothing of it."""
