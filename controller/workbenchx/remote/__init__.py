"""An installation through its HTTP API: what `ports.Reads` asks and `ports.Access` orders, over httpx.

Owns: requests with their time-outs, retries and pages, server-sent events, signing in, and where sign-ins are kept.
Imported by: wiring and cli, only once WBX_API_URL is set or `wbx login` runs. Never: sends a token anywhere but to the API
that it is for, or prints one.
"""
