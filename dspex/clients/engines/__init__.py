"""Other ways to send a call: litellm, and engine objects in lm15's types."""
