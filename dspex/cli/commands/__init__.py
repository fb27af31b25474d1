"""One command a file: its options, and nothing heavy before it runs."""
