"""Host verification: what is declared is what runs, for any environment."""
