"""The story teller: a seed becomes a short story, and the teller knows the state of the world at every sentence.

A story weaves one to three threads (a thing that is given on, a thing that is hidden, people who walk about, a pet that moves,
things that are counted, a feeling that changes). Each thread is a generator that tells one event and yields.
Run it to read a few:  python3 stories.py [seed] [count]
"""

import random
import sys

from questions import ask_in_story, quiz, quiz_entries, recall
from words import (ADULTS, ANIMAL_DOES, ANIMALS, BOYS, COLORS, COMFORTS, COUNTABLES, DAYS, EATABLE, GIRLS, INDOOR_BEDS, INDOOR_SPOTS, NOTICED,
                   OUTDOOR_BEDS, OUTDOOR_SPOTS, OUTDOORS, PET_NAMES, PLAY, ROOMS, SKY, THINGS, TROUBLES, WEATHER, amount, article, where)
from world import Animal, Person, Thing


class Story:
    """One story and its world. `wish` may ask for an animal kind, a person, a thing or a place to be in it.

    gentle: small sums, more about who goes where. asked: how likely a question follows an event, while the story goes on.
    """

    def __init__(self, seed, threads=None, wish=None, title=None, gentle=False, asked=0.0):
        self.random = random.Random(seed)
        self.wish, self.gentle, self.asked = wish or {}, gentle, asked
        self.sentences, self.people, self.things, self.animals = [], [], [], []
        self.weather = None
        self.last_mentioned = ()
        self.indoors = self.random.random() < 0.55 and "place" not in self.wish
        self.cast()
        self.title = self.make_title() if (self.chance(0.3) if title is None else title) else None
        self.open()
        self.weave(threads or self.random.choices([1, 2, 3], [30, 45, 25])[0])

    # --- chance -------------------------------------------------------------------------------------------------

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, options):
        return self.random.choice(list(options))

    def someone(self):
        """One of the people; the first two, whom the opening names, more often."""
        return self.people[min(self.random.choice([0, 0, 0, 1, 1, 2, 3]), len(self.people) - 1)]

    def other(self, options, *not_these):
        return self.pick([option for option in options if option not in not_these])

    # --- telling ------------------------------------------------------------------------------------------------

    def tell(self, templates, **who):
        """Says one of the templates. {A.s} is the name, or 'She' / 'He' where it is clear who is meant."""
        for _ in range(4):
            sentence, people = self.word(templates, who)
            if not self.just_said(sentence):
                break
        self.sentences.append(sentence)
        self.last_mentioned = people

    def remark(self, templates, **who):
        """Says one of the templates, which changes nothing in the world, or nothing if that was just said."""
        sentence, people = self.word(templates, who)
        if not self.just_said(sentence):
            self.sentences.append(sentence)
            self.last_mentioned = people

    def word(self, templates, who):
        """One of the templates as a sentence, and the people in it."""
        template = self.pick(templates)
        people = tuple(value for key, value in who.items() if isinstance(value, Person) and "{" + key in template)
        for person in people:
            person.subject = person.He if self.last_mentioned == (person,) and self.chance(0.6) else person.name
        sentence = template.format(**who)
        return sentence[0].upper() + sentence[1:], people

    def just_said(self, sentence):
        return any(sentence[1:].rstrip(".") in said for said in self.sentences[-3:])

    def text(self, paragraphs=True):
        """The story as text: the title, then sentences, with a paragraph break now and then in long ones.

        Questions that were asked on the way stand in paragraphs of their own."""
        shape = random.Random(len(self.sentences) * 7919 + len(self.sentences[0]))
        parts, since = [], 0
        for i, sentence in enumerate(self.sentences):
            since += 1
            last = i == len(self.sentences) - 1
            asked = any("\nAnswer: " in said for said in self.sentences[i:i + 2])
            split = asked or paragraphs and since >= 5 and not last and shape.random() < 0.3
            parts.append(sentence + ("" if last else "\n\n" if split else " "))
            since = 0 if split else since
        return (self.title + "\n\n" if self.title else "") + "".join(parts)

    # --- the cast -----------------------------------------------------------------------------------------------

    def cast(self):
        names = [(name, "she") for name in GIRLS] + [(name, "he") for name in BOYS]
        chosen = self.random.sample(names, self.random.choices([2, 3, 4], [40, 45, 15])[0])
        for name in self.wish.get("people", []):
            if name not in [n for n, _ in chosen]:
                chosen.insert(0, (name, "she" if name in GIRLS else "he"))
        wished = self.wish.get("people", [])
        chosen.sort(key=lambda entry: entry[0] not in wished)
        if self.chance(0.25) and len(chosen) < 4:
            chosen.append(self.pick(ADULTS))
        self.people = [Person(name, gender) for name, gender in chosen[:4]]

    def new_thing(self):
        used = [thing.noun for thing in self.things]
        noun = self.wish["thing"] if self.wish.get("thing") not in (None, *used) else self.other(THINGS, *used)
        worn = [thing.color for thing in self.things]
        color = self.other(COLORS, *(worn if len(worn) < len(COLORS) else []))
        thing = Thing(noun, self.wish.get("color", color) if not used else color)
        self.things.append(thing)
        return thing

    def new_animal(self):
        used = [animal.kind for animal in self.animals]
        kind = self.wish["animal"] if self.wish.get("animal") not in (None, *used) else self.other(ANIMALS, *used)
        animal = Animal(kind, self.pick(PET_NAMES) if self.chance(0.5) and not self.animals else None)
        self.animals.append(animal)
        return animal

    def places(self):
        return ROOMS if self.indoors else OUTDOORS

    def spots(self):
        return INDOOR_SPOTS if self.indoors else OUTDOOR_SPOTS

    def full(self, thing):
        """'red ball' where the color is told now, 'ball' otherwise."""
        if self.chance(0.7) or "color" in self.wish:
            thing.color_told = True
            return f"{thing.color} {thing.noun}"
        return thing.noun

    # --- the frame ----------------------------------------------------------------------------------------------

    def make_title(self):
        a, b = self.people[0], self.people[1]
        if self.chance(0.4):
            hour = self.pick(["Morning", "Afternoon", "Day", "Evening", "Week"])
            return self.pick([f"A {self.pick(['Quiet', 'Busy', 'Happy', 'Funny', 'Long', 'Special', 'Lovely'])} {hour}",
                              f"{a}'s {hour}", f"The {hour} of {a} and {b}"])
        return self.pick([f"{a} and {b}", f"A Day with {a}", f"{a}'s Little Story", f"The Story of {a}", f"{b} and {a}",
                          f"What {a} Did", f"A Good Day", f"A Small Adventure", f"Friends", f"{a} and the Others"])

    def open(self):
        a, b = self.people[0], self.people[1]
        if self.chance(0.4):
            self.weather = self.pick(WEATHER)
            self.tell(["It was a {w} day.", "One {w} morning, {A} woke up early.", "It was {w} outside.",
                       "On {d} it was {w}.", "The morning was {w}.", "One {w} day, {A} and {B} met.",
                       "It was a {w} {d} morning."], w=self.weather, d=self.pick(DAYS), A=a, B=b)
            if self.chance(0.4):
                self.remark(SKY[self.weather])
        if self.chance(0.5) or not self.sentences:
            child = "girl" if a.gender == "she" else "boy"
            openings = ["{A} and {B} were good friends.", "{A} and {B} were playing together.",
                        "One day, {A} and {B} met.", "{A} was happy to see {B}.", "{A} and {B} were together again.",
                        "It was a day like any other for {A} and {B}.", "\"Hello, {B}!\" said {A}.",
                        "\"Good morning, {B}!\" called {A}.", "{A} looked around for {B}.",
                        "{A} and {B} had the whole day for themselves."]
            if a.name not in dict(ADULTS):
                openings += [f"Once upon a time, there was a {child} named {{A}}.",
                             f"There once was a little {child} called {{A}}.", f"{{A}} was a {w_kind(self)} {child}.",
                             f"Once there was a {child} called {{A}} who liked to laugh."]
            self.tell(openings, A=a, B=b)

    def weave(self, count):
        kinds = {"giving": giving, "hiding": hiding, "walking": walking, "pet": pet, "counting": counting, "feeling": feeling,
                 "finding": finding, "swapping": swapping}
        weights = {"giving": 22, "hiding": 20, "walking": 18, "pet": 16, "counting": 20, "feeling": 12, "finding": 8,
                   "swapping": 6}
        if self.gentle:
            weights.update(walking=36, swapping=3)
        if self.asked:                                      # practice what is hard
            weights.update(walking=80, giving=40)
        if count > 3:                                       # a long story may use a thread twice
            chosen = self.random.choices(list(weights), list(weights.values()), k=count)
        else:
            chosen = []
            while len(chosen) < count:
                kind = self.random.choices(list(weights), list(weights.values()))[0]
                if kind not in chosen:
                    chosen.append(kind)
        for want, kind in (("animal", "pet"), ("thing", "giving"), ("place", "walking")):
            if want in self.wish and kind not in chosen:
                chosen[0] = kind
        threads = [kinds[kind](self) for kind in chosen]
        current = threads[0]
        while threads:
            try:
                next(current)
                if self.asked and self.chance(self.asked):
                    self.sentences += quiz_entries(self, self.pick([1, 1, 2]))
                    self.last_mentioned = ()                # the next sentence says a name again
                if self.chance(0.13):
                    small_talk(self)
                if self.chance(0.25):
                    current = self.pick(threads)
            except StopIteration:
                threads.remove(current)
                current = self.pick(threads) if threads else None

    def close(self):
        if self.chance(0.75):
            a, b = self.pick(self.people), None
            b = self.other(self.people, a)
            self.remark(["It was a good day.", "What a day it was!", "{A} smiled.", "{A} and {B} laughed.", "That was fun.",
                       "\"What a lovely day,\" said {A}.", "{A} would remember this day for a long time.", "And that was that.",
                       "\"Let us do this again soon,\" said {A}.", "Then it was time to rest.", "The end.",
                       "It was good to have friends.", "Soon the stars came out.", "{A} thought about it for a long time.",
                       "And so the day came to an end.", "\"I like it here,\" said {A}, and {B} nodded.",
                       "\"Today was fun,\" said {B}. \"Yes,\" said {A}, \"it was.\"", "They waved at the moon and fell asleep.",
                       "{A} yawned. It had been a long day.", "And they all lived happily and had many more days like this.",
                       "\"Sharing is fun,\" thought {A}.", "At night, {A} wrote it all down.", "Who knows what tomorrow will bring?"], A=a, B=b)


def w_kind(story):
    return story.pick(["kind", "cheerful", "quiet", "curious", "clever", "lively", "friendly", "brave"])


def small_talk(story):
    """A sentence that changes nothing."""
    a = story.someone()
    b = story.other(story.people, a)
    story.remark(["{A} hummed a little song.", "\"This is nice,\" said {A}.", "{A} looked at {B} and smiled.", "A bird sang.",
                "{A} told {B} a joke.", "The clock struck {n}.", "{B} laughed out loud.", "They talked for a while.",
                "\"Are you all right?\" asked {A}. \"Yes, I am,\" said {B}.", "A soft wind blew.", "{A} clapped and cheered.",
                "\"I like you, {B},\" said {A}.", "Somewhere a door creaked.", "{A} and {B} counted the clouds.",
                "\"Do you hear that?\" asked {B}. It was only the wind.", "{A} thought of a song, but forgot the words.",
                "{A} whispered something to {B}, and they both giggled.", "The air smelled of fresh bread.",
                "\"Let us play,\" said {B}. \"Yes, let us!\" said {A}.", "A butterfly flew by.", "For a moment it was very quiet.",
                "{A} drew a picture of {B}.", "\"What shall we do now?\" asked {B}.", "{A} danced a little dance.",
                "\"You are my best friend,\" said {B} to {A}.", "{A} had to sneeze. \"Bless you!\" said {B}.",
                "The leaves rustled.", "{A} jumped up and down.", "{B} told {A} about a dream.", "They had milk and bread."],
               A=a, B=b, n=story.pick(["two", "three", "four", "five"]))


def then(story):
    """A connecting phrase, or none."""
    return story.pick(["", "", "", "", "Then ", "After a while, ", "Later, ", "A little later, ", "Soon ", "After lunch, ",
                       "In the end, ", "Before long, ", "Next, "])


def meet(story, a, b):
    """Brings a and b to one place before they hand over something."""
    if a.place == b.place or (a.place is None and b.place is None):
        return
    if b.place is None:
        a, b = b, a
    if a.place is None:
        story.tell(["{A} came {p}, too.", "{A} followed {B} and was now {p}, too.", "{A} joined {B} {p}."], A=a, B=b, p=where(b.place))
    else:
        story.tell(["{A} left the {o} and went to {B} {p}.", "{A} came over from the {o} to {B} {p}.",
                    "{A} went to see {B} {p}."], A=a, B=b, p=where(b.place), o=a.place)
    a.place = b.place


# --- the threads ----------------------------------------------------------------------------------------------------

def introduce(story, thing, owner):
    """The owner has the thing."""
    thing.take_up(owner)
    story.tell(["{A.s} had {x}.", "{A.s} had {x} that {A.he} liked very much.", "{A.s} got {x} for {A.his} birthday.",
                "{A.s} was carrying {x}.", "{A.s} was playing with {x}.", "\"Look at my {y}!\" said {A}.",
                "{A.s} brought {x}.", "{A.s} had made {x} all by {A.self}.", "{A.s} had saved up for {x}.", "The best thing {A} had was {x}.", "{A.s} came along with {x}.", "{A.s} owned {x}.", "{A.s} held {x} in {A.his} hands.", "\"I have {x},\" said {A}."],
               A=owner, x=article(full := story.full(thing)), y=full)
    if story.chance(0.3):
        play(story, thing)


def play(story, thing):
    """The holder does something with the thing."""
    story.remark(["{A.s} " + action + "." for action in PLAY[thing.noun]], A=thing.holder)


def hand_over(story, thing, a, b, connect=True):
    """a gives the thing to b."""
    meet(story, a, b)
    thing.give_to(b)
    link = then(story) if connect else ""
    start = "{A}" if link else "{A.s}"
    story.tell([link + start + " gave the {x} to {B}.", link + start + " gave the {x} to {B}.", link + start + " handed {B} the {x}.",
                link + start + " handed the {x} to {B}.", link + start + " passed the {x} to {B}.",
                link + "{B} asked for the {x}, and {A} gave it to {B.him}.", "\"Here, take the {x},\" said {A} to {B}.",
                "\"May I have the {x}?\" asked {B}. \"Of course,\" said {A} and gave it to {B.him}.",
                link + start + " let {B} have the {x}.", "\"This is for you, {B},\" said {A} and held out the {x}. {B} took it.",
                link + "{B} got the {x} from {A}.", "\"{B}, would you like the {x}?\" asked {A}. {B} took it with a smile.",
                link + start + " decided to give the {x} to {B}.",
                "It was {B}'s birthday, so {A} gave {B.him} the {x}.", "{A.s} wanted to be kind and gave the {x} to {B}.",
                "\"I have had the {x} long enough,\" said {A} and gave it to {B}.", "{B} liked the {x} so much that {A} gave it to {B.him}.",
                "\"Can you look after the {x} for me, {B}?\" asked {A}. So {B} took it.", link + start + " gave {B} the {x} as a present."],
               A=a, B=b, x=thing)
    if story.chance(0.3):
        story.tell(["Now {B} had the {x}.", "Now the {x} belonged to {B}.", "\"Thank you, {A}!\" said {B}.", "{B} was very glad.",
                    "{B} held the {x} tight.", "So now it was {B} who had the {x}.", "\"How kind of you!\" said {B}.",
                    "Now the {x} belongs to {B}."], A=a, B=b, x=thing)
    elif story.chance(0.3):
        play(story, thing)


def giving(story):
    thing, owner = story.new_thing(), story.someone()
    introduce(story, thing, owner)
    yield
    for _ in range(story.random.choices([1, 2, 3], [45, 40, 15])[0]):
        a = thing.holder
        if a is None:
            return
        hand_over(story, thing, a, story.other(story.people, a))
        yield


def swapping(story):
    a, b = story.random.sample(story.people, 2)
    x, y = story.new_thing(), story.new_thing()
    introduce(story, x, a)
    introduce(story, y, b)
    yield
    if x.holder is not a or y.holder is not b:
        return
    meet(story, a, b)
    x.give_to(b)
    y.give_to(a)
    y.giver, x.giver = b, a
    story.tell(["They swapped: {A} gave the {x} to {B}, and {B} gave the {y} to {A}.",
                "\"Shall we swap?\" asked {A}. So {A} got the {y}, and {B} got the {x}.",
                "Then {A} gave {B} the {x} and got the {y} for it."], A=a, B=b, x=x, y=y)
    yield


def finding(story):
    thing, a = story.new_thing(), story.someone()
    spot = story.pick(story.spots())
    thing.take_up(a)
    thing.color_told = True
    story.tell(["{A.s} found {x} {p} and picked it up.", "\"What is that {p}?\" asked {A}. It was {x}! {A} took it.",
                "There was {x} {p}. {A} picked it up.", "{A.s} saw {x} {p} and took it."],
               A=a, x=article(f"{thing.color} {thing.noun}"), p=spot)
    yield
    b = story.other(story.people, a)
    if story.chance(0.6) and thing.holder is a:
        story.tell(["\"That is my {x}!\" said {B}.", "{B} had been looking for the {x}.", "{B} wanted to have it, too.",
                    "\"Whose {x} is this?\" asked {A}. \"Mine,\" said {B}."], A=a, B=b, x=thing)
        thing.first_holder, thing.claimed = None, True      # it was b's all the time
        hand_over(story, thing, a, b, connect=False)
        yield


def hiding(story):
    thing, a = story.new_thing(), story.someone()
    introduce(story, thing, a)
    yield
    spot = story.pick(story.spots())
    if thing.holder is not a:
        return
    thing.put(spot)
    story.tell(["{A.s} put the {x} {p}.", "{A.s} hid the {x} {p}.", "Then {A} put the {x} {p}.", "{A.s} left the {x} {p}.",
                "{A.s} laid the {x} down {p}.", "{A.s} wanted to keep the {x} safe, so {A.he} hid it {p}.",
                "\"I will leave the {x} {p},\" said {A}.", "{A.s} placed the {x} {p} and walked away."], A=a, x=thing, p=spot)
    yield
    for _ in range(story.random.choices([0, 1, 2], [40, 45, 15])[0]):
        b = a = story.other(story.people, a)
        old, new = thing.spot, story.other(story.spots(), thing.spot)
        thing.put(new)
        story.tell(["Then {B} moved the {x}. Now it was {p}.", "{B.s} took the {x} and put it {p}.",
                    "{B.s} found the {x} {o} and hid it {p} instead.", "Later, {B} put the {x} {p}.",
                    "\"The {x} should not be {o},\" said {B} and put it {p}.", "But {B} moved the {x} and put it {p}.",
                    "After a while, {B} carried the {x} away and left it {p}."], B=b, x=thing, p=new, o=old)
        yield
    if story.chance(0.35):
        b = story.someone()
        old = thing.spot
        wrong = story.other(story.spots(), old)
        if story.chance(0.5):
            thing.take_up(b)
            story.tell(["{B.s} looked {o}, found the {x} and took it.", "In the end, {B} found the {x} {o} and picked it up.",
                        "{B.s} looked {w}, but there was no {x}. Then {B.he} looked {o}, found the {x} and kept it.",
                        "\"There it is!\" said {B}. {B.He} took the {x} and held it tight."], B=b, x=thing, o=old, w=wrong)
        else:
            story.tell(["{B.s} looked for the {x} {w}, but it was not there.", "\"Is the {x} {w}?\" asked {B}. But no, it was {o}.",
                        "{B.s} wanted to look at the {x} and found it {o}. {B.He} left it there."], B=b, x=thing, o=old, w=wrong)
        yield


def walking(story):
    wished = story.wish.get("place")
    walkers = story.random.sample(story.people, min(len(story.people), story.random.choices([1, 2, 3], [25, 50, 25])[0]))
    for i, a in enumerate(walkers):
        place = wished if wished and i == 0 else story.pick(story.places())
        go(story, a, place)
        yield
    for _ in range(story.random.choices([0, 1, 2], [25, 50, 25])[0]):
        a = story.pick(walkers)
        go(story, a, story.other(story.places(), a.place))
        yield
        if story.chance(0.3):
            drop(story, a)
            yield


def go(story, a, place):
    """a goes to the place, alone or with someone who is not elsewhere."""
    companions = [b for b in story.people if b is not a and b.place == a.place]
    old, a.place = a.place, place
    if companions and story.chance(0.2):
        b = story.pick(companions)
        b.place = place
        story.tell(["{A} and {B} went to the {p} together.", "{A} and {B} walked to the {p}.", "{A} took {B} to the {p}."],
                   A=a, B=b, p=place)
        return
    forms = ["{A.s} went to the {p}.", "{A.s} walked to the {p}.", "{A.s} ran to the {p}.", "Then {A} went to the {p}.",
             "After a while, {A} went to the {p}.", "\"I am going to the {p},\" said {A}, and off {A.he} went.",
             "{A.s} wanted to be {w}, so {A.he} went there.", "Later, {A} was {w}."]
    if old:
        forms += ["{A.s} left the {o} and went to the {p}.", "{A.s} did not stay {u}. {A.He} went to the {p}.",
                  "From the {o}, {A} walked on to the {p}."]
    else:
        forms += ["{A.s} was {w}.", "{A.s} was busy {w}.", "{A.s} spent some time {w}.", "{A.s} sat {w}."]
    story.tell(forms, A=a, p=place, w=where(place), o=old, u=where(old) if old else "")
    if story.chance(0.35):
        story.remark(NOTICED[place])


def drop(story, a):
    """a leaves a thing that a holds at the place where a is."""
    held = [thing for thing in story.things if thing.holder is a]
    if held and a.place:
        thing = story.pick(held)
        thing.put(where(a.place))
        story.tell(["{A.s} left the {x} there.", "There {A.he} put down the {x} and left it.", "{A.s} forgot the {x} {p}.",
                    "{A.s} put the {x} down {p}."], A=a, x=thing, p=where(a.place))


def pet(story):
    animal, owner = story.new_animal(), story.someone()
    beds = INDOOR_BEDS if story.indoors else OUTDOOR_BEDS
    name = animal.name
    if name:
        story.tell([f"{{A.s}} had a {{k}} named {name}.", f"{{A.s}} had a little {{k}} called {name}.",
                    f"There was also a {{k}}. Its name was {name}.", f"{{A}}'s {{k}} was called {name}."], A=owner, k=animal)
    else:
        story.tell(["{A.s} had a {k}.", "{A.s} had a little {k}.", "There was also a small {k}.", "A little {k} lived there, too.",
                    "{A.s} took good care of a {k}."], A=owner, k=animal)
    if story.chance(0.35):
        story.remark(ANIMAL_DOES, A=owner, k=animal, q=story.pick(["clever", "funny", "gentle", "lazy", "curious", "fluffy"]))
    calls = ["the {k}"] * 2 + ([name] if name else [])
    animal.move(story.pick(beds))
    story.tell([c + rest for c in calls for rest in (" was asleep {p}.", " was sleeping {p}.", " lay {p}.", " liked to sleep {p}.",
                                                     " sat {p} and looked around.", " rested {p}.")], k=animal, p=animal.spot)
    yield
    for _ in range(story.random.choices([0, 1, 2], [30, 50, 20])[0]):
        old = animal.spot
        animal.move(story.other(beds, old))
        noise = ANIMALS[animal.kind].capitalize()
        story.tell([rest.replace("$", c) for c in calls for rest in
                    ("Then $ woke up and went to sleep {p}.", "A loud noise woke $, and it hid {p}.",
                     "After a while, $ got up and lay down {p}.", "\"" + noise + "!\" said $ and ran off. Now it was {p}.",
                     "$ did not like it {o}, so it moved. Now it was {p}.", "{A} carried $ away and let it rest {p}.",
                     "Later, $ was {p}.", "Soon $ was tired again and curled up {p}.")], k=animal, p=animal.spot, o=old, A=owner)
        yield


def counting(story):
    plural, a = story.pick(COUNTABLES), story.someone()
    one = COUNTABLES[plural]
    b = story.other(story.people, a)
    if any(plural in person.counts for person in story.people):
        return
    number = story.random.randint(2, 6 if story.gentle else 8)
    a.counts[plural] = number
    story.tell(["{A.s} had {n}.", "{A.s} had {n} in a bag.", "{A.s} picked up {n}.", "{A.s} counted: {A.he} had {n}.",
                "\"I have {n},\" said {A}.", "{A.s} carried {n} in a basket."], A=a, n=amount(number, plural))
    yield
    for _ in range(story.random.choices([1, 2, 3], [80, 20, 0] if story.gentle else [60, 32, 8])[0]):
        number = a.counts[plural]
        change = story.random.randint(1, 2 if story.gentle else 4)
        if number + change <= 12 and (story.chance(0.5) or change > number):
            a.counts[plural] = number + change
            more = f"{amount(change, plural).replace(' ', ' more ', 1)}"
            forms = ["{A.s} found {m}.", "{A.s} got {m}.", "Then {A} found {m}.", "{B} gave {A} {m}.", "Then {A} got {m} from {B}.",
                     "\"Here are {c} for you,\" said {B} to {A}." if change > 1 else "\"Here is {c} for you,\" said {B} to {A}."]
        else:
            change = min(change, number)
            a.counts[plural] = number - change
            more = amount(change, plural)
            forms = ["{A.s} gave {c} to {B}.", "{A.s} gave {B} {c}.", "Then {A} lost {c}.", "{A.s} gave away {c}.",
                     "\"You can have {c},\" said {A} to {B}."]
            forms += ["{A.s} ate {c}.", "{A.s} was hungry and ate {c}."] if plural in EATABLE else []
        before = (a.place, b.place)
        if a.place != b.place:
            forms = [form for form in forms if "{B}" not in form]
        story.tell(forms, A=a, B=b, m=more, c=amount(change, plural))
        now = a.counts[plural]
        if story.chance(0.4):
            story.tell(["Now {A} had {n}.", "That made {n}." if now > number else "So {A} had {n} left.",
                        "\"Now I have {n},\" said {A}.", "So {A} had {n} now."], A=a, n=amount(now, plural))
        yield


def feeling(story):
    fine = [person for person in story.people if person.feeling is None]
    if not fine:
        return
    a = story.pick(fine)
    b = story.other(story.people, a)
    bad, why = story.pick(TROUBLES)
    a.feeling = a.first_feeling = bad
    story.tell(["{A.s} was {f} " + why + ".", "{A.s} felt {f} " + why + ".", "At first, {A} was {f} " + why + "."], A=a, f=bad)
    yield
    if story.chance(0.75):
        meet(story, b, a)
        good, how = story.pick(COMFORTS)
        how = how if how.endswith("\"") else how + "."
        a.feeling = good
        if how.endswith("\""):
            story.tell([how + " and {A} felt {f}.", how + " and soon {A} was {f}."], A=a, B=b, f=good)
        else:
            story.tell([how + " Now {A} felt {f}.", how + " Soon {A} was {f}.", how + " That made {A} {f}.", how + " {A} felt {f} again."],
                       A=a, B=b, f=good)
        yield


# --- whole texts for pretraining ------------------------------------------------------------------------------------

def pretraining_text(seed, length="usual", quiz_share=0.5, most_questions=4):
    """A story with questions in it: asked by the people, or as a little quiz at the end. Lengths: short, usual, long, and
    drill, which is interrupted by questions all the time, so that the answer to the same question changes."""
    rng = random.Random(seed * 31 + 7)
    if length == "drill":
        return Story(seed, threads=rng.choice([1, 2, 2, 3]), title=False, gentle=True, asked=0.8).text(paragraphs=False)
    story = Story(seed, threads={"short": 1, "usual": None, "long": rng.randint(4, 7)}[length])
    for _ in range(rng.choices([0, 1, 2], [70, 30, 0] if length == "short" else [20, 45, 35])[0]):
        (recall if rng.random() < 0.4 else ask_in_story)(story)
    if length != "short" or rng.random() < 0.3:
        story.close()
    return story.text() + (quiz(story, rng.randint(1, most_questions)) if rng.random() < quiz_share else "")


def main():
    seed, count = (int(word) for word in (sys.argv[1:] + ["1", "5"][len(sys.argv) - 1:]))
    for i in range(seed, seed + count):
        print(pretraining_text(i), end="\n\n----------\n\n")


if __name__ == "__main__":
    main()
