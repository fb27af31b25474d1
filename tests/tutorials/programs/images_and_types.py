"""Images, audio and documents in prompts; types of one's own; BAML and two-step adapters."""

import os

import dspy
import pydantic
from dspy.adapters.baml_adapter import BAMLAdapter

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # noqa: E501
SCRIPT = [
    {"caption": "A pixel."},
    {"best": 1, "why": "It is brighter."},
    {"transcript": "Beep."},
    {"patient": {"name": "Ann", "age": 40, "address": {"street": "Main", "city": "Oslo"}}},
    {"event": {"name": "Fair", "day": "Monday"}},
    {"text": "The event is a fair, on Monday.", "when": "Town"},
]


class Address(pydantic.BaseModel):
    street: str = pydantic.Field(description="Street and number")
    city: str


class Patient(pydantic.BaseModel):
    name: str
    age: int | None = None
    address: Address | None = None


class Event(dspy.Type):
    name: str
    day: str

    def format(self):
        return f"{self.name} on {self.day}"


def main():
    url = os.environ["SCRIPTED_LM"]
    lm = dspy.LM("openai/scripted", api_base=url, api_key="none", cache=False)
    dspy.configure(lm=lm)
    image = dspy.Image(PIXEL)
    caption = dspy.Predict("image: dspy.Image -> caption")
    caption.demos = [dspy.Example(image=image, caption="Another pixel.")]
    first = caption(image=image).caption
    ranked = dspy.Predict("images: list[dspy.Image], question -> best: int, why")(images=[image, image], question="?")
    sound = dspy.Audio(data="UklGRg==", audio_format="wav")
    heard = dspy.Predict("sound: dspy.Audio -> transcript")(sound=sound).transcript
    with dspy.context(adapter=BAMLAdapter()):
        patient = dspy.Predict(dspy.Signature("note -> patient: Patient", custom_types={"Patient": Patient}))(
            note="Ann, 40, Main, Oslo"
        ).patient
    extraction = dspy.LM("openai/small", api_base=url, api_key="none", cache=False)
    with dspy.context(adapter=dspy.TwoStepAdapter(extraction)):
        event = dspy.Predict(dspy.Signature("Town -> event: Event", custom_types={"Event": Event}))(Town="Here")
    return {
        "caption": first,
        "ranked": [ranked.best, ranked.why],
        "heard": heard,
        "patient": patient.model_dump(),
        "event": event.event.model_dump(),
    }
