"""The deployer's permissions, from what the program declares and a table of what the provider calls for each type."""
