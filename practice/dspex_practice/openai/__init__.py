"""The practice model in OpenAI's formats: chat, completions, responses, embeddings, files, batches, fine-tuning."""
