"""Running the candidates of an optimizer: what a runner is, and the one that works in this process."""
