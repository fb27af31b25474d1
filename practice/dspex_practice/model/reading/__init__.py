"""Reading a prompt: its fields, instruction, examples, words, and the values that its schemas allow."""
