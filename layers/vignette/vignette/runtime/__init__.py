"""How a function starts, logs and counts on Lambda."""
