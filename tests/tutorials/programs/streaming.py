"""Streaming: pieces of one field, status messages of tools, and the result at the end."""

import asyncio
import os

import dspy

SCRIPT = [
    {"answer": "To get to the other side, where the grass was greener."},
    {"next_thought": "Weather first.", "next_tool_name": "fetch_weather", "next_tool_args": {"city": "Oslo"}},
    {"next_thought": "Enough.", "next_tool_name": "finish", "next_tool_args": {}},
    {"reasoning": "As fetched.", "advice": "Take an umbrella to Oslo, please."},
]


class Messages(dspy.streaming.StatusMessageProvider):
    def tool_start_status_message(self, instance, inputs):
        return f"Calling {instance.name} with {inputs['kwargs']}"

    def tool_end_status_message(self, outputs):
        return f"Got {outputs}"


def fetch_weather(city: str) -> str:
    """Fetch the weather of a city."""
    return f"Rain in {city}"


async def collect(stream):
    chunks, statuses, final = [], [], None
    async for each in stream:
        if isinstance(each, dspy.streaming.StreamResponse):
            chunks.append([each.predict_name, each.signature_field_name, each.chunk])
        elif isinstance(each, dspy.streaming.StatusMessage):
            statuses.append(each.message)
        elif isinstance(each, dspy.Prediction):
            final = each
    names = sorted({(name, field) for name, field, _ in chunks})
    return {"from": names, "text": "".join(chunk for _, _, chunk in chunks), "statuses": statuses}, final


async def run():
    predict = dspy.Predict("question -> answer")
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    streamed = dspy.streamify(predict, stream_listeners=[listener])
    joke, prediction = await collect(streamed(question="Why did the chicken cross the road?"))
    agent = dspy.ReAct("question -> advice", tools=[fetch_weather])
    listener = dspy.streaming.StreamListener(signature_field_name="advice")
    streamed = dspy.streamify(agent, stream_listeners=[listener], status_message_provider=Messages())
    weather, last = await collect(streamed(question="What shall I take to Oslo?"))
    return {"joke": joke, "answer": prediction.answer, "weather": weather, "advice": last.advice}


def main():
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False))
    return asyncio.run(run())
