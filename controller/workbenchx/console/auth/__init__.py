"""Who asks: tokens, the keys that sign them, sign-in of the local user, and proof against forged requests."""
