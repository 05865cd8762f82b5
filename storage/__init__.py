"""What is kept: ticks in Parquet, money and studies in SQLite."""
