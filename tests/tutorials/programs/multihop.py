"""Multi-hop search: a module of its own with predictors of two kinds, a loop, and demos from an optimizer."""

import os

import dspy

CORPUS = {
    "mercury": "Mercury is the smallest planet.",
    "venus": "Venus is the hottest planet.",
    "mars": "Mars has two moons, Phobos and Deimos.",
}
SCRIPT = [
    {"reasoning": "Start with mars.", "query": "mars moons"},
    {"reasoning": "Then venus.", "query": "venus heat"},
    {"reasoning": "Then mercury.", "query": "mercury"},
    {"new_notes": ["Mars has two moons."], "titles": ["mars"]},
    {"new_notes": ["Venus is hot."], "titles": ["venus", "mercury"]},
    {"reasoning": "From the notes.", "answer": "mars", "when": "moons"},
    {"reasoning": "From the notes.", "answer": "venus"},
]


def search(query: str, k: int) -> list[str]:
    words = set(query.split())
    ranked = sorted(CORPUS, key=lambda title: (-len(words & {title, *CORPUS[title].lower().split()}), title))
    return [f"{title} | {CORPUS[title]}" for title in ranked[:k]]


class Hop(dspy.Module):
    def __init__(self, num_docs=2, num_hops=2):
        self.num_docs, self.num_hops = num_docs, num_hops
        self.generate_query = dspy.ChainOfThought("claim, notes -> query")
        self.append_notes = dspy.Predict("claim, notes, context -> new_notes: list[str], titles: list[str]")
        self.answer = dspy.ChainOfThought("claim, notes -> answer")

    def forward(self, claim: str) -> dspy.Prediction:
        notes, titles = [], []
        for _ in range(self.num_hops):
            query = self.generate_query(claim=claim, notes=notes).query
            context = search(query, k=self.num_docs)
            prediction = self.append_notes(claim=claim, notes=notes, context=context)
            notes.extend(prediction.new_notes)
            titles.extend(prediction.titles)
        return dspy.Prediction(notes=notes, titles=titles, answer=self.answer(claim=claim, notes=notes).answer)


def matches(example, pred, trace=None):
    return example.answer == pred.answer


def main():
    lm = dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False)
    dspy.configure(lm=lm)
    claims = [("Which planet has moons named Phobos and Deimos?", "mars"), ("Which planet is hottest?", "venus")]
    examples = [dspy.Example(claim=claim, answer=answer).with_inputs("claim") for claim, answer in claims]
    hop = Hop()
    first = hop(**examples[0].inputs())
    evaluate = dspy.Evaluate(devset=examples, metric=matches, num_threads=1, display_progress=False)
    before = evaluate(hop)
    optimizer = dspy.BootstrapFewShot(metric=matches, max_bootstrapped_demos=1, max_labeled_demos=1)
    better = optimizer.compile(hop, trainset=examples[:1])
    after = better(claim="Which planet is smallest?")
    return {
        "first": first.toDict(),
        "before": before.score,
        "predictors": [name for name, _ in better.named_predictors()],
        "demos": {name: [dict(demo) for demo in part.demos] for name, part in better.named_predictors()},
        "after": after.toDict(),
    }
