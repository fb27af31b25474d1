"""Fine-tuning through a provider's API: check the data, upload one file, create one job, and wait for it.

`Training` does it for one `JobSpec`. `OpenAIProvider` is how `LM.finetune` gets to it, and the workflow `FinetuneModel`
its durable form.
"""
