"""Fine-tuning through a provider's API: the data checked, one file, one job, and a long wait for it.

`Training` is the whole of it for one order; `OpenAIProvider` its face for `LM.finetune`, and the workflow
`FinetuneModel` its durable one.
"""
