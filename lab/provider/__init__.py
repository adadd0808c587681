"""Pulumi provider plugin `freelance`: the lab's networks, volumes and hosts as resources."""
