"""What axe-core says of the pictures on real pages, counted so that before and after compare."""
