"""What runs on the machine: claims its run, pulls the image, runs the command under our supervisor, tells how it goes.

Owns: the way to the API (calls), the image (registry, rootfs), what the command sees (walls), the run (work), the start of
it all (main). Never: imports more than the standard library, `errors` and `supervision`; holds a credential but its token.
"""
