"""What the stand-in holds, and every operation on it, without HTTP."""
