"""The routes, one file a resource family. Each request is one transaction of a constant number of statements."""
