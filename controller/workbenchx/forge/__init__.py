"""Git and the forges: what a checkout holds, what a commit holds.

Owns: reading a folder's declared files and a commit's tree, and what a work tree says about itself. Imported by: wiring,
cli. Never: meets the engine, the store or a provider except through ports; decides what a document means (declared/).
"""
