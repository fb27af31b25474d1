"""What tests share: doubles, servers, and waiting for conditions.

`answering`: language models in memory. `finetune_provider`: a provider of fine-tuning. `pattern_runner`: a runner that
answers an optimizer from a pattern. `postgres`: a real PostgreSQL. `waiting`: polling. What users' tests can use too is
in `dspex.testing`.
"""
