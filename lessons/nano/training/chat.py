"""Chat turns for the instruct model: questions about a story, small talk, and stories on request."""

import random

from questions import all_questions, pick_questions
from stories import Story
from words import ANIMALS, BOYS, COLORS, GIRLS, OUTDOORS, THINGS, article, where

# Kinds of questions that chats ask more often than others, because they are harder.
ASKED_MORE = {"person place": 3, "holder": 3, "first holder": 3, "giver": 2, "how many": 2, "color": 2, "animal place": 2, "thing place": 2}

START, END = "<start_of_turn>", "<end_of_turn>"

SMALL_TALK = [
    (["Hello!", "Hi!", "Hello there!", "Hi there!", "Hello", "Hi", "Good day!", "Hey!"],
     ["Hello! Tell me a story and ask me about it.", "Hello! How nice to meet you. Shall I tell you a story?",
      "Hi! I know little stories. Ask me about one."]),
    (["Good morning!", "Good morning"], ["Good morning! Did you sleep well?", "Good morning! It is a lovely day for a story."]),
    (["Good night!", "Good night"], ["Good night! Sleep well.", "Good night! Sweet dreams."]),
    (["How are you?", "How are you today?", "How do you do?", "Are you all right?"],
     ["I am fine, thank you. How are you?", "I feel happy, thank you for asking."]),
    (["Who are you?", "What are you?", "What is your name?", "Tell me about you."],
     ["I am a very small Gemma. I live in a little world of stories.", "My name is nano. I am a very small language model."]),
    (["What can you do?", "Can you help me?", "Help", "What do you know?"],
     ["I can read a short story and answer questions about it, and I can tell stories, too."]),
    (["Thank you!", "Thanks!", "Thank you very much!", "Thank you", "Thanks"], ["You are welcome!", "You are welcome. That was fun."]),
    (["Goodbye!", "Bye!", "See you!", "Bye", "Goodbye"], ["Goodbye! Come back soon.", "Bye! See you soon."]),
    (["Well done!", "Very good!", "That is right!", "Great!"], ["Thank you! I like stories.", "Thank you! Ask me more."]),
    (["I am happy.", "I am fine.", "I feel good."], ["That is good to hear!", "I am glad."]),
    (["I am sad.", "I feel sad.", "I am tired."], ["I am sorry. Would you like to hear a story?", "Oh dear. A story may help."]),
]


def turn(role, text, close=True):
    return f"{START}{role}\n{text}{END}\n" if close else f"{START}{role}\n{text}"


def prompt(*texts):
    """The prompt for the model's next answer; texts alternate user, model, user …"""
    turns = [turn("model" if i % 2 else "user", text) for i, text in enumerate(texts)]
    return "".join(turns) + turn("model", "", close=False)


def question_story(seed, easy=False):
    """The story for question answering; also used, with seeds of their own, for the held-out questions."""
    story = Story(seed, threads=1 if easy else None, title=False, gentle=True)
    if story.chance(0.3):
        story.close()
    return story


def sure_questions(story, rng):
    """The questions for chats: no doubtful ones, and no "yes or no", which is too hard for so small a model."""
    return [entry for entry in all_questions(story, rng) if not entry["doubtful"] and entry["kind"] != "yes or no"]


def question_turns(story, rng, counts):
    """[question, answer, …] about the story as it ends; how many is picked from `counts`."""
    questions = pick_questions(sure_questions(story, rng), rng, rng.choice(counts), ASKED_MORE)
    return [text for entry in questions for text in (entry["question"], entry["answer"])]


def story_chat(seed, easy=False):
    """[user, model, …]: a story with a question, then perhaps more questions."""
    rng = random.Random(seed * 17 + 3)
    story = question_story(seed, easy)
    turns = question_turns(story, rng, [1, 2, 3, 4, 5, 6, 7, 8])
    return [f"{story.text(paragraphs=False)}\n\n{turns[0]}"] + turns[1:] if turns else small_talk_chat(seed)


def small_talk_chat(seed):
    rng = random.Random(seed * 13 + 5)
    turns = []
    for _ in range(rng.choice([1, 1, 2])):
        asks, replies = rng.choice(SMALL_TALK)
        turns += [rng.choice(asks), rng.choice(replies)]
    return turns


def wish_chat(seed):
    """A story on request, and often questions about it."""
    rng = random.Random(seed * 11 + 1)
    wish, words = {}, ""
    kind = rng.choice(["animal", "thing", "people", "place", "color", "none"])
    if kind == "animal":
        wish["animal"] = rng.choice(list(ANIMALS))
        words = "about " + article(wish["animal"])
    elif kind == "thing":
        wish["thing"] = rng.choice(THINGS)
        words = "about " + article(wish["thing"])
    elif kind == "color":
        wish.update(thing=rng.choice(THINGS), color=rng.choice(COLORS))
        words = "about " + article(f"{wish['color']} {wish['thing']}")
    elif kind == "place":
        wish["place"] = rng.choice(list(OUTDOORS))
        words = "about a day " + where(wish["place"])
    elif kind == "people":
        wish["people"] = rng.sample(GIRLS + BOYS, rng.choice([1, 2]))
        words = "about " + " and ".join(wish["people"])
    ask = rng.choice(["Tell me a story{}.", "Tell me a story{}.", "Please tell me a story{}.", "Can you tell me a story{}?",
                      "I would like a story{}.", "Write a short story{}.", "A story{}, please."]).format(" " + words if words else "")
    story = Story(seed, threads=rng.choice([1, 2, 2]), wish=wish, title=False)
    story.close()
    return [ask, story.text(paragraphs=False)] + question_turns(story, rng, [0, 0, 1, 2, 3])


def mixed_chat(seed):
    """Two or three conversations in one: small talk before a story, another story after it."""
    rng = random.Random(seed * 5 + 4)
    kinds = rng.choice([[small_talk_chat, story_chat], [story_chat, small_talk_chat], [small_talk_chat, wish_chat],
                        [wish_chat, small_talk_chat], [story_chat, wish_chat], [wish_chat, story_chat], [story_chat, story_chat],
                        [small_talk_chat, story_chat, small_talk_chat], [small_talk_chat, wish_chat, story_chat]])
    return [text for i, kind in enumerate(kinds) for text in kind(seed + 10_000_000 * (i + 1))]


def chat(seed, easy=0.0):
    """One conversation as [user, model, …]. Of the questions about a story, `easy` is the share of stories with a single thread."""
    choice = random.Random(seed * 7 + 2).random()
    if choice < 0.75:
        return story_chat(seed, choice < 0.75 * easy)
    return wish_chat(seed) if choice < 0.83 else mixed_chat(seed) if choice < 0.97 else small_talk_chat(seed)


def chat_texts(seeds):
    for seed in seeds:
        yield "\n".join(chat(seed))
