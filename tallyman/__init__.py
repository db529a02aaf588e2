"""The program: command line, embedded stack, demo."""
