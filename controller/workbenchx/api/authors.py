"""Who commits may be by. What git takes from the ends of a name is in none: a commit of ours is known again by its author."""

NAME = r"""^[^\x00-\x20<>.,:;"'\\][^\x00-\x1f<>]{0,98}[^\x00-\x20<>.,:;"'\\]$"""
ADDRESS = r"^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,180}[A-Za-z0-9]$"
