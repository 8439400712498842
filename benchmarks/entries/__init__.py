"""The contestants: a module each, with one function for each thing that it is timed at."""
