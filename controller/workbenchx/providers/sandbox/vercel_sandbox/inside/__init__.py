"""What runs inside a Vercel sandbox, of ours: carried there as plain files, run by the image's own python3.

`box` starts the program once and is its supervisor; `tools` are what the adapter executes. Standard library only.
"""
