"""Monthly cost of a stack, from what its program declares and a file of prices."""
