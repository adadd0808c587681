"""The target `lab`: hosts on one machine. `program.declare` makes them."""
