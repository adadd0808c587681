"""What can be wrong with keys and ciphertext. No text here ever holds a key or a value."""


class EncryptionError(Exception):
    """A value was neither read nor written."""


class KeyUnavailableError(EncryptionError):
    """The keys are missing, damaged, or lack the one that is asked for."""


class WrongKeyError(EncryptionError):
    """The key of this number is not the one that the value was sealed with."""


class MisplacedError(EncryptionError):
    """The ciphertext was altered, or belongs to another table, column or row."""
