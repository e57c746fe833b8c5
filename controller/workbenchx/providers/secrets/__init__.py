"""Adapters of `ports.Secrets`: one file each."""
