"""What a host runs: the worker, above workflows and activities; and the durable backend."""
