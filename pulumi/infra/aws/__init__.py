"""The target `aws`. `program.declare` makes its resources; `settings` and `partitions` need no provider."""
