"""Where rows come from: files, a folder, a table. Each is read in a stream, never as a whole."""
