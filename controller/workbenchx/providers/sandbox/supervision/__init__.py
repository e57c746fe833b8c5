"""What runs beside a program, wherever that is: on this machine, or in a container of a cluster.

Owns: starting a program once, its output, limits, deadline and end (supervisor, holder, tree, output, watch, relay), the
folder of a sandbox and its control socket (layout, control), what is unpacked into its working folder and archived from
it. Imported by: the adapters, and `inside`. Never: imports more than the standard library and `errors`, since
it is forked for every run, or carried into images that hold nothing of ours.
"""
