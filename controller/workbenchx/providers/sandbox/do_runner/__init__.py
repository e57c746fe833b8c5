"""The `do_runner` sandbox: one DigitalOcean droplet for each run, destroyed when it ends.

Owns: droplets through the vendor's own client (droplets), what an option may set (settings), names and tags (names).
Never: sends a create twice without having looked, holds a droplet that nobody asked for.
"""
