"""The order of restoration: which repairs start first for the least expected loss (DESIGN 5.5)."""
