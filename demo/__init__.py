"""The demo: three bundled images, the script that draws them, and a run that captions them."""
