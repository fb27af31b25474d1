"""The practice model over HTTP."""
