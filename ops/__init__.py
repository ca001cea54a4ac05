"""What keeps the portal running on one machine: the embedded Redis, the children and their supervision."""
