"""What the application's design costs and gains, on one small lab host made for it."""
