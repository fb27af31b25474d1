"""An airline's agent: pydantic models as tool arguments and results, and a small database."""

import os
import random
import string

import dspy
from pydantic import BaseModel

SCRIPT = [
    {
        "next_thought": "I need the flights.",
        "next_tool_name": "fetch_flight_info",
        "next_tool_args": {
            "date": {"year": 2025, "month": 9, "day": 1, "hour": 0},
            "origin": "SFO",
            "destination": "JFK",
        },
    },
    {"next_thought": "Who is it?", "next_tool_name": "get_user_info", "next_tool_args": {"name": "Nobody"}},
    {"next_thought": "Another name.", "next_tool_name": "get_user_info", "next_tool_args": {"name": "Adam"}},
    {
        "next_thought": "Choose.",
        "next_tool_name": "pick_flight",
        "next_tool_args": {
            "flights": [
                {
                    "flight_id": "DA123",
                    "date_time": {"year": 2025, "month": 9, "day": 1, "hour": 1},
                    "origin": "SFO",
                    "destination": "JFK",
                    "duration": 3.0,
                    "price": 200.0,
                },
            ],
        },
    },
    {
        "next_thought": "Book it.",
        "next_tool_name": "book_flight",
        "next_tool_args": {
            "flight": {
                "flight_id": "DA123",
                "date_time": {"year": 2025, "month": 9, "day": 1, "hour": 1},
                "origin": "SFO",
                "destination": "JFK",
                "duration": 3.0,
                "price": 200.0,
            },
            "user_profile": {"user_id": "1", "name": "Adam", "email": "adam@example.com"},
        },
    },
    {"next_thought": "All done.", "next_tool_name": "finish", "next_tool_args": {}},
    {"reasoning": "The flight is booked.", "process_result": "Booked DA123, confirmation below."},
]


class Date(BaseModel):
    # Models write dates badly, so they write them in parts.
    year: int
    month: int
    day: int
    hour: int


class UserProfile(BaseModel):
    user_id: str
    name: str
    email: str


class Flight(BaseModel):
    flight_id: str
    date_time: Date
    origin: str
    destination: str
    duration: float
    price: float


class Itinerary(BaseModel):
    confirmation_number: str
    user_profile: UserProfile
    flight: Flight


USERS = {"Adam": UserProfile(user_id="1", name="Adam", email="adam@example.com")}
FLIGHTS = {
    "DA123": Flight(
        flight_id="DA123",
        origin="SFO",
        destination="JFK",
        date_time=Date(year=2025, month=9, day=1, hour=1),
        duration=3,
        price=200,
    ),
    "DA125": Flight(
        flight_id="DA125",
        origin="SFO",
        destination="JFK",
        date_time=Date(year=2025, month=9, day=1, hour=7),
        duration=9,
        price=500,
    ),
}
ITINERARIES: dict[str, Itinerary] = {}
_random = random.Random(7)


def fetch_flight_info(date: Date, origin: str, destination: str):
    """Fetch flight information from origin to destination on the given date"""
    found = [
        flight
        for flight in FLIGHTS.values()
        if flight.date_time.day == date.day and flight.origin == origin and flight.destination == destination
    ]
    if not found:
        raise ValueError("No matching flight found!")
    return found


def pick_flight(flights: list[Flight]):
    """Pick up the best flight that matches users' request. we pick the shortest, and cheaper one on ties."""
    return sorted(flights, key=lambda flight: (flight.duration, flight.price))[0]


def get_user_info(name: str):
    """Fetch the user profile from database"""
    return USERS.get(name)


def book_flight(flight: Flight, user_profile: UserProfile):
    """Book a flight on behalf of the user."""
    number = "".join(_random.choices(string.ascii_lowercase, k=8))
    ITINERARIES[number] = Itinerary(confirmation_number=number, user_profile=user_profile, flight=flight)
    return number, ITINERARIES[number]


class AirlineAgent(dspy.Signature):
    """You are an airline customer service agent that helps user book and manage flights.

    You are given a list of tools to handle user request, and you should decide the right tool to use in order to
    fulfill users' request."""

    user_request: str = dspy.InputField()
    process_result: str = dspy.OutputField(
        desc="Message that summarizes the process result, and the information users need, e.g., the confirmation_number"
    )


def main():
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False))
    agent = dspy.ReAct(AirlineAgent, tools=[fetch_flight_info, pick_flight, get_user_info, book_flight])
    result = agent(user_request="please help me book a flight from SFO to JFK on 09/01/2025, my name is Adam")
    observed = {key: str(value) for key, value in result.trajectory.items()}
    return {"result": result.process_result, "trajectory": observed, "booked": [*ITINERARIES]}
