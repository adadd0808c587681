"""Data of a whole marketplace from one number. It knows all apps, and none of them knows it."""
