"""Seeing what a program does: callbacks, usage, histories."""

import io
import os

import dspy
from dspy.utils.callback import BaseCallback

SCRIPT = [
    {"reasoning": "Easily.", "answer": "4"},
    {"next_thought": "Add.", "next_tool_name": "add", "next_tool_args": {"a": 2, "b": 2}},
    {"next_thought": "Done.", "next_tool_name": "finish", "next_tool_args": {}},
]


class Log(BaseCallback):
    def __init__(self):
        self.lines = []

    def on_module_start(self, call_id, instance, inputs):
        self.lines.append(f"module {type(instance).__name__} {sorted(inputs)}")

    def on_module_end(self, call_id, outputs, exception):
        self.lines.append(f"module gave {sorted(outputs) if outputs else None} {exception}")

    def on_lm_start(self, call_id, instance, inputs):
        self.lines.append(f"lm {instance.model} {sorted(inputs)}")

    def on_lm_end(self, call_id, outputs, exception):
        self.lines.append(f"lm gave {len(outputs)}")

    def on_tool_start(self, call_id, instance, inputs):
        self.lines.append(f"tool {instance.name} {inputs}")

    def on_tool_end(self, call_id, outputs, exception):
        self.lines.append(f"tool gave {outputs}")

    def on_adapter_format_start(self, call_id, instance, inputs):
        self.lines.append(f"format {type(instance).__name__} {sorted(inputs)}")

    def on_adapter_parse_end(self, call_id, outputs, exception):
        self.lines.append(f"parsed {outputs}")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def main():
    log = Log()
    lm = dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False)
    dspy.configure(lm=lm, callbacks=[log], track_usage=True)
    thought = dspy.ChainOfThought("question -> answer")
    first = thought(question="What is 2 + 2?")
    second = dspy.ReAct("question -> answer", tools=[add])(question="What is 2 + 2?")
    with dspy.track_usage() as usage:
        thought(question="What is 2 + 2, again?")
    shown = io.StringIO()
    dspy.inspect_history(n=1, file=shown)
    history = [line for line in shown.getvalue().splitlines() if not line.startswith("[20")]
    tokens = {model: counts["total_tokens"] for model, counts in usage.get_total_tokens().items()}
    return {
        "log": log.lines,
        "usage": [prediction.get_lm_usage()["openai/scripted"]["total_tokens"] for prediction in (first, second)],
        "tracked": tokens,
        "history": history,
        "entry": sorted(set(lm.history[-1]) & {"prompt", "messages", "kwargs", "response", "outputs", "usage", "cost"}),
    }
