"""What to use instead of names that DSPy itself has given up. Only asked for names that dspex does not have."""

from __future__ import annotations

from collections.abc import Sequence

_LM = 'removed from DSPy; write dspy.LM("provider/model", ...)'
_TYPED = "removed from DSPy; give the signature's fields types, which {} does by itself"
_ASSERTIONS = "removed from DSPy; wrap the module in dspy.Refine or dspy.BestOfN with a reward function"
_FUNCTIONAL = "removed from DSPy; write a dspy.Signature class and a dspy.Predict or dspy.ChainOfThought of it"
_RETRIEVER = "removed from DSPy; call your search from a function or a dspy.Module of your own"

_LMS = (
    "OpenAI AzureOpenAI Anthropic Claude Cohere Google GoogleVertexAI Bedrock Sagemaker AWSAnthropic AWSMistral "
    "AWSMeta Databricks GROQ GroqLM Mistral HFModel HFClientTGI HFClientVLLM HFServerTGI Llama LlamaCpp "
    "ChatModuleClient OllamaLocal Ollama Together Anyscale Clarifai ClarifaiLLM CloudflareAI PremAI Snowflake "
    "TensorRTModel Watsonx You"
)
_ASSERTING = (
    "Assert Suggest assert_transform_module backtrack_handler DSPyAssertionError DSPySuggestionError Retry assertions"
)

ADVICE: dict[str, str] = {
    **dict.fromkeys(_LMS.split(), _LM),
    **dict.fromkeys(_ASSERTING.split(), _ASSERTIONS),
    **dict.fromkeys(("functional", "FunctionalModule", "predictor", "cot", "TypedPredictorSignature"), _FUNCTIONAL),
    "TypedPredictor": _TYPED.format("dspy.Predict"),
    "TypedChainOfThought": _TYPED.format("dspy.ChainOfThought"),
    "ChainOfThoughtWithHint": "removed from DSPy; add a `hint` input field and use dspy.ChainOfThought",
    "MIPRO": "removed from DSPy; its successor is MIPROv2",
    "BayesianSignatureOptimizer": "removed from DSPy; its successor is MIPROv2",
    "SignatureOptimizer": "DSPy's old name of COPRO",
    "retrieve": _RETRIEVER,
    "lm15": "the engines inside DSPy's LM have no counterpart; dspy.LM speaks to providers by itself",
    "OpenAIVectorizer": "removed from DSPy; use dspy.Embedder",
    "SentenceTransformersVectorizer": "removed from DSPy; use dspy.Embedder with a function",
    "BaseSentenceVectorizer": "removed from DSPy; use dspy.Embedder",
}


def advice_for(path: Sequence[str]) -> str | None:
    """What to do about a dotted name, if there is something to say: by the whole of it, its last part, its first."""
    return next((ADVICE[key] for key in (".".join(path), path[-1], path[0]) if key in ADVICE), None)
