"""The policy pack: rules over what the program declares, judged in every preview and `up` that names the pack."""
