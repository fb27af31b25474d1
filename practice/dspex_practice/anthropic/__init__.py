"""The practice model in Anthropic's format."""
