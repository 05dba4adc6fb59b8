"""Questions about a story, with answers that are right because they are read from the world's state, not from the text."""

import random

from words import ADULTS, COUNTABLES, NUMBERS, amount, where

# kind -> several ways to ask; the first is the plainest
PHRASINGS = {
    "holder": ["Who has the {x}?", "Who has the {x} now?", "Who holds the {x} at the end?", "Who has got the {x}?",
               "To whom does the {x} belong now?", "In the end, who has the {x}?"],
    "thing place": ["Where is the {x}?", "Where is the {x} now?", "Where can I find the {x}?", "Where did the {x} end up?",
                    "Do you know where the {x} is?"],
    "person place": ["Where is {a}?", "Where is {a} now?", "Where can I find {a}?", "Do you know where {a} is?",
                     "Where did {a} end up?"],
    "animal place": ["Where is the {x}?", "Where is the {x} now?", "Where can I find the {x}?", "Do you know where the {x} is?",
                     "Where did the {x} end up?"],
    "how many": ["How many {n} does {a} have?", "How many {n} does {a} have now?", "How many {n} has {a} got at the end?",
                 "Can you count {a}'s {n}?"],
    "color": ["What color is the {x}?", "Which color does the {x} have?", "Tell me the color of the {x}."],
    "giver": ["Who gave the {x} to {a}?", "Who gave {a} the {x}?", "From whom did {a} get the {x}?"],
    "first holder": ["Who had the {x} first?", "Who had the {x} at the beginning?", "Whose {x} was it at first?"],
    "feeling": ["How does {a} feel?", "How does {a} feel now?", "How does {a} feel at the end?"],
    "first feeling": ["How did {a} feel at first?", "How did {a} feel at the beginning?"],
    "weather": ["What was the weather like?", "How was the weather?"],
    "pet name": ["What is the name of the {x}?", "What is the {x} called?", "Do you know the name of the {x}?"],
    "yes or no": ["Does {a} have the {x}?", "Does {a} have the {x} now?", "Is it {a} who has the {x}?"],
}

# Kinds of questions that take more practice are asked more often.
HARDER = {"person place": 4, "how many": 3, "holder": 3, "first holder": 3, "giver": 3}


def question(kind, facts, answer, accept, short, random_source, plain):
    doubtful = kind.endswith(" (doubtful)")
    kind = kind.replace(" (doubtful)", "")
    forms = PHRASINGS[kind]
    ask = forms[0] if plain else random_source.choice(forms)
    return {"kind": kind, "question": ask.format(**facts), "answer": answer, "accept": accept, "short": short, "doubtful": doubtful,
            "plain": forms[0].format(**facts)}


def all_questions(story, random_source=None, plain=False):
    """Every question whose answer the state knows; `short` is how a person in the story would answer."""
    rng, found = random_source or story.random, []

    def add(kind, answer, accept, short, **facts):
        found.append(question(kind, facts, answer, accept, short, rng, plain))

    for thing in story.things:
        x, holder = thing.noun, thing.holder
        if holder:
            add("holder", f"{holder} has the {x}.", [holder.name.lower()], f"{holder} has it", x=x)
            other = rng.choice([person for person in story.people if person is not holder])
            asked = rng.choice([holder, other])
            yes = asked is holder
            add("yes or no", f"Yes, {holder} has the {x}." if yes else f"No, {holder} has the {x}.",
                ["yes," if yes else "no,", holder.name.lower()], "Yes" if yes else f"No, {holder} has it", a=asked, x=x)
        elif thing.spot:
            add("thing place", f"The {x} is {thing.spot}.", [thing.spot], f"It is {thing.spot}", x=x)
        if thing.color_told:
            add("color", f"The {x} is {thing.color}.", [thing.color], f"It is {thing.color}", x=x)
        if thing.giver and holder:
            add("giver", f"{thing.giver} gave the {x} to {holder}.", [f"{thing.giver.name.lower()} gave"], f"{thing.giver} did", x=x, a=holder)
        if thing.first_holder and thing.first_holder is not holder:
            kind = "first holder (doubtful)" if thing.claimed else "first holder"
            add(kind, f"{thing.first_holder} had the {x} first.", [thing.first_holder.name.lower()], f"{thing.first_holder} did", x=x)
    for person in story.people:
        a = person.name
        if person.place:
            add("person place", f"{a} is {where(person.place)}.", [where(person.place)],
                f"{person.He} is {where(person.place)}", a=a)
        if person.feeling:
            add("feeling", f"{a} feels {person.feeling}.", [person.feeling], person.feeling.capitalize(), a=a)
            if person.feeling != person.first_feeling:
                add("first feeling", f"{a} felt {person.first_feeling} at first.", [person.first_feeling], person.first_feeling.capitalize(), a=a)
        for plural, number in person.counts.items():
            add("how many", f"{a} has {amount(number, plural)}.", [amount(number, plural)], amount(number, plural).split()[0].capitalize(),
                a=a, n=plural)
    for animal in story.animals:
        k = animal.kind
        add("animal place", f"The {k} is {animal.spot}.", [animal.spot], f"It is {animal.spot}", x=k)
        if animal.name:
            add("pet name", f"The {k} is called {animal.name}.", [animal.name.lower()], animal.name, x=k)
    if story.weather:
        add("weather", f"It was {story.weather}.", [story.weather], story.weather.capitalize())
    return found


IN_STORY = {"holder", "thing place", "person place", "animal place", "how many", "color", "pet name"}


def ask_in_story(story):
    """Somebody asks, somebody answers."""
    choices = [entry for entry in all_questions(story, plain=True) if entry["kind"] in IN_STORY]
    if not choices:
        return
    entry = story.pick(choices)
    named = entry["question"] + entry["answer"]
    holders = [thing.holder for thing in story.things] if entry["kind"] == "color" else []     # they can see the color
    asks = [name for name, _ in ADULTS if name not in named]
    asks += [p.name for p in story.people if p.name not in named and p not in holders]
    asker = story.pick(asks)
    answers = [p.name for p in story.people if p.name not in named and p.name != asker]
    answerer = story.pick(answers) if answers else None
    if entry["kind"] == "holder" and (story.chance(0.3) or not answerer):
        holder = entry["answer"].split()[0]
        story.remark([f"\"{entry['question']}\" asked {asker}. \"I have it,\" said {holder}.",
                    f"\"{entry['question']}\" asked {asker}. \"I do!\" said {holder}."])
    elif answerer:
        story.remark([f"\"{entry['question']}\" asked {asker}. \"{entry['short']},\" said {answerer}.",
                    f"{asker} asked, \"{entry['question']}\" \"{entry['short']},\" answered {answerer}.",
                    f"\"{entry['question']}\" {asker} wanted to know. {answerer} knew the answer. \"{entry['short']}!\""])
    else:
        story.remark([f"\"{entry['question']}\" asked {asker}. \"{entry['short']}\" was the answer."])


def recall(story):
    """The story teller says once more how things are."""
    forms = []
    for entry in all_questions(story, plain=True):
        fact = entry["answer"]
        past = fact.replace(" has the ", " had the ").replace(" is ", " was ").replace(" has ", " had ").replace(" feels ", " felt ")
        if entry["kind"] in (IN_STORY | {"feeling"}) - {"color", "pet name"}:
            forms += [past, f"So {lower_first(past)}", f"In the end, {lower_first(past)}", f"And {lower_first(past)}"]
        if entry["kind"] == "holder":
            thing = fact[fact.index(" the ") + 5:-1]
            holder = fact.split()[0]
            forms += [f"Now the {thing} belonged to {holder}.", f"The {thing} was {holder}'s now.", f"Do you know who had the {thing} now? It was {holder}.",
                      f"Now the {thing} belongs to {holder}."]
    if forms:
        story.remark([form.replace("{", "").replace("}", "") for form in forms])


def lower_first(sentence):
    return sentence[0].lower() + sentence[1:] if sentence.startswith(("The ", "It ")) else sentence


def quiz(story, count):
    """Questions and answers below the story."""
    rng = random.Random(len(story.sentences[0]) * 131 + story.random.randrange(10 ** 6))
    chosen = pick_questions(all_questions(story, rng), rng, count, HARDER)
    return "".join("\n\n" + as_quiz(entry["question"], entry["answer"]) for entry in chosen)


def as_quiz(question, answer):
    return f"Question: {question}\nAnswer: {answer}"


def quiz_entries(story, count):
    """Up to `count` questions with their answers, as things are now."""
    return [as_quiz(entry["question"], entry["answer"]) for entry in pick_questions(all_questions(story), story.random, count, HARDER)]


def pick_questions(questions, rng, count, favor):
    """Different questions, and every kind alike often but for those that `favor` (kind -> weight) names."""
    chosen, rest = [], list(questions)
    while rest and len(chosen) < count:
        kinds = sorted({entry["kind"] for entry in rest})
        kind = rng.choices(kinds, [favor.get(kind, 1) for kind in kinds])[0]
        entry = rng.choice([entry for entry in rest if entry["kind"] == kind])
        rest.remove(entry)
        chosen.append(entry)
    return chosen
