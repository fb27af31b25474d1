"""What all formats of the practice model share: endpoints, limits, faults, files, batches, counters."""
