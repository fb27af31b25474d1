"""What commands print and write: progress, summaries, logs, program files, the exit status."""
