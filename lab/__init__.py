"""A small shop of real processes: the demo and the integration tests break it and have it restored."""
