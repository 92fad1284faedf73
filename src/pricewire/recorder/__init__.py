"""`pricewire record`: ticks into a Parquet file."""
