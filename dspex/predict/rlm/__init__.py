"""`RLM`: a language model that works through long inputs by program, and asks language models about parts of them."""

from dspex.predict.code_fences import strip_code_fences as _strip_code_fences
from dspex.predict.rlm.module import RLM
from dspex.predict.rlm.prompt import ACTION_INSTRUCTIONS_TEMPLATE, SUB_AGENT_INSTRUCTIONS
from dspex.predict.rlm.queries import LLMCallBudget as _LLMCallBudget

__all__ = ["ACTION_INSTRUCTIONS_TEMPLATE", "RLM", "SUB_AGENT_INSTRUCTIONS", "_LLMCallBudget", "_strip_code_fences"]
