"""What clients connect to: each endpoint's port on every database host, and the first part of its name."""

PORTS = {"pooled": 6432, "direct": 5000, "read_only_direct": 5001}
NAMES = {"pooled": "pooled", "direct": "direct", "read_only": "read-only"}
