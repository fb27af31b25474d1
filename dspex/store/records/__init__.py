"""What the store keeps and gives back, as plain data."""
