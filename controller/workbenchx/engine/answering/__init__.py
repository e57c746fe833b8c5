"""The gateway: an alias becomes an answer of some provider, within the project's budget. Knows no HTTP and no SQL."""
