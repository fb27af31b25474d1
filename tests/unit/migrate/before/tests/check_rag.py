from unittest.mock import patch

import pytest
from app.rag import RAG

dspy = pytest.importorskip("dspy")


@patch("dspy.ChainOfThought.forward")
def test_it_answers(forward):
    forward.return_value = dspy.Prediction(answer="Paris")
    assert RAG()(question="capital").answer == "Paris"
