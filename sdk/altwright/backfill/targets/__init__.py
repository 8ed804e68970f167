"""Where outcomes go: a new file, or the table that the rows came from."""
