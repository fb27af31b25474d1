"""What the tests of durable runs share: a task with a known outcome, and where to run it."""
