"""What importers share: opening files, delimited text, Parquet, names of columns."""
