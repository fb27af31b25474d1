"""What `RLM` says to its LM: the format is DSPy's, to the letter."""

from __future__ import annotations

from typing import Any

from dspex.adapters.annotations import placeholder
from dspex.adapters.types.tool import Tool
from dspex.primitives.repl_types import REPLHistory
from dspex.signatures import InputField, OutputField, make_signature

_VARIABLES = "Metadata about the variables available in the REPL"

ACTION_INSTRUCTIONS_TEMPLATE = """You are tasked with producing the following outputs given the inputs {inputs}:
{output_fields}

You have access to a Python REPL environment. Write Python code and it will be executed. You will see the output, then write more code based on what you learned. This is an iterative process.
{interpreter_rules}
Available:
- Variables: {inputs} (your input data)
- `llm_query(prompt)` - query a sub-LLM (~500K char capacity) for semantic analysis
- `llm_query_batched(prompts)` - query multiple prompts concurrently (much faster for multiple queries)
- `print()` - ALWAYS print to see results
- `SUBMIT({final_output_names})` - submit final output when done

IMPORTANT: This is ITERATIVE. Each code block you write will execute, you'll see the output, then you decide what to do next. Do NOT try to solve everything in one step.

1. EXPLORE FIRST - Look at your data before processing it. Print samples, check types/lengths, understand the structure.
2. ITERATE - Write small code snippets, observe outputs, then decide next steps. State persists between iterations.
3. VERIFY BEFORE SUBMITTING - If results seem wrong (zeros, empty, unexpected), reconsider your approach.
4. USE llm_query FOR SEMANTICS - String matching finds WHERE things are; llm_query understands WHAT things mean.
5. MINIMIZE RETYPING (INPUTS & OUTPUTS) - When values are long, precise, or error-prone (IDs, numbers, code, quotes), re-access them via variables and parse/compute in code instead of retyping. Use small, targeted prints to sanity-check, but avoid manual copying when variables can carry the exact value.
6. SUBMIT ONLY AFTER SEEING OUTPUTS - SUBMIT ends the current run immediately. If you need to inspect printed output, run it in one step, review the result, then call SUBMIT in a later step.

You have max {max_llm_calls} sub-LLM calls. When done, call SUBMIT() with your output."""  # noqa: E501

SUB_AGENT_INSTRUCTIONS = """
Sub-agents (dspy):
You may `import dspy` and build sub-agents in the REPL for subtasks that need structured inputs/outputs.
- `dspy.Predict("question -> answer")(question=...)` or `dspy.ChainOfThought(...)` - single-step sub-agents.
- `dspy.ReActV2("question -> answer", tools=[...])(question=...)` - a multi-step tool-using sub-agent.
  Only the provided tools listed above may be passed; functions you define in the REPL cannot cross to the host.
- `dspy.RLM("context, query -> answer")(context=..., query=...)` - a recursive sub-agent with its own
  REPL on the same interpreter backend as yours; it cannot be given another `interpreter_factory`.
  This is the heaviest option: reserve it for deep subtasks whose input is itself too large or
  structured to prompt directly, and prefer Predict/ChainOfThought/ReActV2 for everything else.
Prefer `llm_query` for simple one-shot prompts; use sub-agents for structured, tool-using, or
recursive subtasks.
"""

_EXTRACT_INSTRUCTIONS = (
    "Based on the REPL trajectory, extract the final outputs now.\n\n"
    "            Review your trajectory to see what information you gathered and what values you computed, then "
    "provide the final outputs."
)


def interpreter_rules(execution_instructions: str, sub_agent_rules: str) -> str:
    """Write the prompt's rules for the interpreter that runs the code.

    Args:
        execution_instructions: What the interpreter says about itself; may be empty.
        sub_agent_rules: The rules for building sub-agents in code; may be empty.
    """
    rules = f"\nExecution environment:\n{execution_instructions}\n" if execution_instructions else ""
    return rules + sub_agent_rules


def action_signature(signature: Any, tools: dict[str, Tool], rules: str, max_llm_calls: int) -> Any:
    """Make the signature of one step: from what is known so far to the next piece of code.

    Args:
        signature: The user's signature.
        tools: The user's tools by name.
        rules: The rules for the interpreter (`interpreter_rules`).
        max_llm_calls: The most LM calls that the code may make, for the prompt.
    """
    instructions = ACTION_INSTRUCTIONS_TEMPLATE.format(
        inputs=", ".join(f"`{name}`" for name in signature.input_fields),
        final_output_names=", ".join(signature.output_fields),
        output_fields="\n".join(f"- {placeholder(name, field)}" for name, field in signature.output_fields.items()),
        max_llm_calls=max_llm_calls,
        interpreter_rules=rules,
    )
    think = "Think step-by-step: what do you know? What remains? Plan your next action."
    code = "Python code to execute. Use markdown code block format: ```python\\n<code>\\n```"
    return (
        make_signature({}, _task(signature) + instructions + tool_docs(tools))
        .append("variables_info", InputField(desc=_VARIABLES), type_=str)
        .append("repl_history", InputField(desc="Previous REPL code executions and their outputs"), type_=REPLHistory)
        .append("iteration", InputField(desc="Current iteration number (1-indexed) out of max_iters"), type_=str)
        .append("reasoning", OutputField(desc=think), type_=str)
        .append("code", OutputField(desc=code), type_=str)
    )


def extract_signature(signature: Any) -> Any:
    """From all that was done to the outputs, for when there are no turns left."""
    task = _task(signature)
    objective = f"The trajectory was generated with the following objective: \n{task}\n" if task else ""
    return (
        make_signature(dict(signature.output_fields), objective + _EXTRACT_INSTRUCTIONS)
        .prepend("repl_history", InputField(desc="Your REPL interactions so far"), type_=REPLHistory)
        .prepend("variables_info", InputField(desc=_VARIABLES), type_=str)
    )


def tool_docs(tools: dict[str, Tool]) -> str:
    """Describe the user's tools, as the LM calls them."""
    if not tools:
        return ""
    lines = ["\nAdditional tools available (use these instead of standard library equivalents):"]
    for tool in tools.values():
        args = ", ".join(f"{name}: {schema.get('type', 'Any')}" for name, schema in (tool.args or {}).items())
        desc = (tool.desc or "No description").replace("\n", "  ")
        lines.append(f"- `{tool.name}({args})` - {desc}")
    return "\n".join(lines)


def _task(signature: Any) -> str:
    return f"{signature.instructions}\n\n" if signature.instructions else ""
