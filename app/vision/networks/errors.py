"""Errors of reading the weights of a network."""


class WeightsError(Exception):
    """A file of weights is missing, damaged or not the one that the code was written for."""
