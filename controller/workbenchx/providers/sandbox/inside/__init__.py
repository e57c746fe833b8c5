"""What is executed inside a sandbox that is not on this machine, of ours: standard library only.

`tools` are the verbs, one short process each; `talking` is how they reach the supervisor (../supervision); `idle` is what a
session runs. Imported by: the adapters whose sandboxes are elsewhere, each of which brings these files in. Never: imports
anything but the supervision, since it runs in images that hold nothing of ours.
"""
