"""Three bundled pictures, the script that draws them, and a run that captions them."""
