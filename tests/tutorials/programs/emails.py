"""Facts from e-mails: enums, optional and nested fields, several steps in one module, a JSON adapter."""

import os
from datetime import datetime
from enum import Enum

import dspy
from pydantic import BaseModel

SCRIPT = [
    {"email_type": "order_confirmation", "urgency": "low", "reasoning": "It thanks for an order."},
    {
        "key_entities": [{"entity_type": "order", "value": "#42", "confidence": 0.9}],
        "financial_amount": 29.99,
        "important_dates": ["2025-01-02"],
        "contact_info": ["shop@example.com"],
        "reasoning": "They are in the text.",
    },
    {"action_required": False, "action_items": [], "deadline": None, "priority_score": 2, "reasoning": "None."},
    {"summary": "An order of 29.99 is confirmed.", "reasoning": "In short."},
]


class EmailType(str, Enum):  # noqa: UP042 - as programs write it
    ORDER_CONFIRMATION = "order_confirmation"
    SUPPORT_REQUEST = "support_request"
    OTHER = "other"


class UrgencyLevel(str, Enum):  # noqa: UP042
    LOW = "low"
    HIGH = "high"


class Entity(BaseModel):
    entity_type: str
    value: str
    confidence: float


class ClassifyEmail(dspy.Signature):
    """Classify the type and urgency of an email based on its content."""

    email_subject: str = dspy.InputField(desc="The subject line of the email")
    email_body: str = dspy.InputField(desc="The main content of the email")
    sender: str = dspy.InputField(desc="Email sender information")

    email_type: EmailType = dspy.OutputField(desc="The classified type of email")
    urgency: UrgencyLevel = dspy.OutputField(desc="The urgency level of the email")


class ExtractEntities(dspy.Signature):
    """Extract key entities and information from email content."""

    email_content: str = dspy.InputField(desc="The full email content including subject and body")
    email_type: EmailType = dspy.InputField(desc="The classified type of email")

    key_entities: list[Entity] = dspy.OutputField(desc="List of extracted entities with type, value, and confidence")
    financial_amount: float | None = dspy.OutputField(desc="Any monetary amounts found")
    important_dates: list[str] = dspy.OutputField(desc="List of important dates found in the email")
    contact_info: list[str] = dspy.OutputField(desc="Relevant contact information extracted")


class DecideActions(dspy.Signature):
    """Determine what actions are needed based on the email content and extracted information."""

    email_type: EmailType = dspy.InputField()
    urgency: UrgencyLevel = dspy.InputField()
    extracted_entities: list[Entity] = dspy.InputField()
    received: datetime = dspy.InputField()

    action_required: bool = dspy.OutputField(desc="Whether any action is required")
    action_items: list[str] = dspy.OutputField(desc="List of specific actions needed")
    deadline: str | None = dspy.OutputField(desc="Deadline for action if applicable")
    priority_score: int = dspy.OutputField(desc="Priority score from 1-10", ge=1, le=10)


class EmailProcessor(dspy.Module):
    def __init__(self):
        super().__init__()
        self.classifier = dspy.ChainOfThought(ClassifyEmail)
        self.entities = dspy.ChainOfThought(ExtractEntities)
        self.actions = dspy.ChainOfThought(DecideActions)
        self.summarize = dspy.ChainOfThought("email_subject, key_info: list[str] -> summary")

    def forward(self, email_subject: str, email_body: str, sender: str = ""):
        kind = self.classifier(email_subject=email_subject, email_body=email_body, sender=sender)
        content = f"Subject: {email_subject}\n\nFrom: {sender}\n\n{email_body}"
        found = self.entities(email_content=content, email_type=kind.email_type)
        decided = self.actions(
            email_type=kind.email_type,
            urgency=kind.urgency,
            extracted_entities=found.key_entities,
            received=datetime(2025, 1, 1, 12, 30),
        )
        key_info = [entity.value for entity in found.key_entities]
        summary = self.summarize(email_subject=email_subject, key_info=key_info)
        return dspy.Prediction(
            kind=kind.email_type,
            urgency=kind.urgency,
            entities=found.key_entities,
            amount=found.financial_amount,
            required=decided.action_required,
            deadline=decided.deadline,
            priority=decided.priority_score,
            summary=summary.summary,
        )


def main():
    lm = dspy.LM("openai/gpt-4o-mini", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False)
    results = {}
    for adapter in (dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()):
        with dspy.context(lm=lm, adapter=adapter):
            done = EmailProcessor()(
                email_subject="Order #42", email_body="Thank you. Total: 29.99", sender="shop@example.com"
            )
        results[type(adapter).__name__] = [
            done.kind.name,
            done.urgency.value,
            [entity.model_dump() for entity in done.entities],
            done.amount,
            done.required,
            done.deadline,
            done.priority,
            done.summary,
        ]
    return results
