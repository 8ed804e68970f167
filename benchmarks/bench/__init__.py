"""`make bench`: the processor time and latency of captions beside other programs."""
