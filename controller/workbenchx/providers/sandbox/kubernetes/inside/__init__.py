"""What runs inside a sandbox's pod, of ours: carried into every image as a kit, standard library only.

`kit` packs the running Python and these modules into a volume; `box` is the first process beside the program (it starts it
once, by ../../supervision); `keeper` holds the files until the pod is deleted; ../../inside are the tools that the adapter executes there.
Never: imports anything that `kit` does not carry.
"""
