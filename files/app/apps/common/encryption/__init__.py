"""Encryption of single columns: keys, envelopes, blind indexes, and the fields that models use."""
