"""What a session runs where nobody asked for a command: nothing, until it is ended. Standard library only."""

import signal


def main() -> None:
    """Wait for a signal that ends us."""
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
