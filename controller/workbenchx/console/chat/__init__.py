"""The AI SDK's side of the gateway: its messages in, its UI message stream (version 1) out."""
