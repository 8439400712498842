"""One saved file of every model, written when it was new, which every later version must read."""
