"""Independent checks of captions (test oracles). They share no code with the product."""
