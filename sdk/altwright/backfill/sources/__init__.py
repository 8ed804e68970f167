"""Sources of records: CSV, JSON lines, Parquet, a folder, a database table. All are streamed."""
