"""The state of the little world: who is where, who holds what, how many, and how they feel."""

from dataclasses import dataclass, field

PRONOUNS = {"she": ("she", "her", "her"), "he": ("he", "him", "his")}


@dataclass(eq=False)
class Person:
    name: str
    gender: str
    place: str = None                              # a room or an outdoor place; None: not told
    feeling: str = None
    first_feeling: str = None
    counts: dict = field(default_factory=dict)     # plural -> number
    subject: str = ""                              # how the next sentence calls this person at its start

    def __str__(self):
        return self.name

    he = property(lambda self: PRONOUNS[self.gender][0])
    him = property(lambda self: PRONOUNS[self.gender][1])
    his = property(lambda self: PRONOUNS[self.gender][2])
    self = property(lambda person: {"she": "herself", "he": "himself"}[person.gender])
    He = property(lambda self: self.he.capitalize())
    s = property(lambda self: self.subject or self.name)


@dataclass(eq=False)
class Thing:
    noun: str
    color: str
    color_told: bool = False
    holder: Person = None
    first_holder: Person = None
    giver: Person = None                           # who gave it to the holder last
    spot: str = None                               # "under the bed" or "in the park"; None while someone holds it
    first_spot: str = None
    claimed: bool = False                          # found by one and claimed by another: who had it first is a matter of taste

    def __str__(self):
        return self.noun

    def give_to(self, person):
        self.giver, self.holder, self.spot = self.holder, person, None
        self.first_holder = self.first_holder or person

    def take_up(self, person):
        self.giver, self.holder, self.spot = None, person, None
        self.first_holder = self.first_holder or person

    def put(self, spot):
        self.giver, self.holder, self.spot = None, None, spot
        self.first_spot = self.first_spot or spot


@dataclass(eq=False)
class Animal:
    kind: str
    name: str = None
    spot: str = None
    first_spot: str = None

    def __str__(self):
        return self.kind

    def move(self, spot):
        self.spot = spot
        self.first_spot = self.first_spot or spot
