"""Running programs: attempts and their retries, many at once, scores, progress."""
