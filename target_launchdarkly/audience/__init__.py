"""What the streams said, whether it is whole, and what follows from it."""
