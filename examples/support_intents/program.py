"""Route a message from a rider to the desk it is for: TARGET `examples.support_intents.program:program`."""

from typing import Any, Literal

import dspex

Intent = Literal[
    "account_access",
    "billing_dispute",
    "lost_property",
    "membership_change",
    "open_trip",
    "payment_method",
    "payout",
    "supply",
    "unlock_failure",
    "workshop",
]


class Triage(dspex.Signature):
    """Name the desk of a bike hire company that a rider's message is for."""

    message: str = dspex.InputField()
    intent: Intent = dspex.OutputField()


program = dspex.Predict(Triage)


def metric(example: dspex.Example, prediction: dspex.Prediction, trace: Any = None) -> bool:
    """Whether the message goes to the right desk."""
    return bool(example.intent == prediction.intent)
