"""The pipeline: from alerts and orders to runs."""
