"""OpenAI's APIs (chat completions, responses, embeddings), and the servers that speak them with differences."""
