"""Policy bundles and deployment settings, read from files."""
