"""A run in one process: scan the source, request captions, write them, sum up."""
