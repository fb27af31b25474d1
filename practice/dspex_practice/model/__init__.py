"""The practice model itself: it reads a prompt and answers by comparing words. No language model."""
