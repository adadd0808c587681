"""The Pulumi program's layers: settings, topology, contract and the targets that turn a topology into resources."""
