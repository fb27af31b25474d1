"""The practice model in Gemini's format."""
