"""The words of the little world: its people, things, animals, places, numbers."""

GIRLS = ["Anna", "Lily", "Mia", "Emma", "Rosa", "Nora", "Ella", "Zoe", "Ruby", "Ivy"]
BOYS = ["Tom", "Ben", "Sam", "Max", "Leo", "Finn", "Noah", "Jack", "Hugo", "Theo"]
ADULTS = [("Mom", "she"), ("Dad", "he"), ("Grandma", "she"), ("Grandpa", "he")]

COLORS = ["red", "blue", "green", "yellow", "white", "black", "brown", "purple", "orange", "pink"]

# Things that can be held, given, hidden and carried.
THINGS = ["ball", "book", "hat", "cup", "kite", "drum", "doll", "lamp", "key", "umbrella", "scarf",
          "bell", "boat", "spoon", "blanket", "flute", "map", "teddy bear", "wagon", "bag", "ring", "brush"]

# kind -> the sound it makes
ANIMALS = {"cat": "meow", "dog": "woof", "rabbit": "sniff", "hen": "cluck", "duck": "quack", "goat": "baa",
           "mouse": "squeak", "puppy": "yip", "kitten": "mew", "frog": "ribbit", "lamb": "baa", "fox": "yip"}
PET_NAMES = ["Milo", "Luna", "Pip", "Biscuit", "Daisy", "Coco", "Socks", "Bella", "Pepper", "Snowball"]

# plural -> singular, with the way one gets more of them
COUNTABLES = {"apples": "apple", "pears": "pear", "eggs": "egg", "shells": "shell", "cookies": "cookie",
              "stones": "stone", "flowers": "flower", "nuts": "nut", "buttons": "button", "carrots": "carrot",
              "plums": "plum", "coins": "coin"}
EATABLE = {"apples", "pears", "cookies", "nuts", "carrots", "plums"}

# place -> the preposition it takes
ROOMS = {"kitchen": "in", "garden": "in", "bedroom": "in", "living room": "in", "hall": "in", "attic": "in",
         "cellar": "in", "yard": "in"}
OUTDOORS = {"park": "in", "school": "at", "beach": "on", "forest": "in", "market": "at", "farm": "on",
            "library": "in", "river": "by", "bakery": "in", "lake": "by", "zoo": "at", "playground": "on"}

# Spots where things and animals can be.
INDOOR_SPOTS = ["under the table", "on the shelf", "behind the door", "in the basket", "in the drawer",
                "on the chair", "under the rug", "behind the curtain", "in the cupboard", "on the windowsill",
                "in the wooden box", "under the bed", "on the sofa", "under the stairs"]
OUTDOOR_SPOTS = ["under the bench", "behind the big tree", "in the tall grass", "on the wall", "under the bush",
                 "behind the big stone", "in the hollow log", "on the bridge", "next to the well",
                 "behind the fence", "in the wheelbarrow", "under the old oak"]
INDOOR_BEDS = ["on the sofa", "in the basket", "under the table", "on the chair", "by the fire", "on the rug",
               "under the bed", "on the windowsill", "behind the door", "under the stairs"]
OUTDOOR_BEDS = ["under the bench", "behind the big tree", "in the tall grass", "under the bush", "on the wall",
                "next to the well", "behind the fence", "in the wheelbarrow", "under the old oak", "in the barn"]

WEATHER = ["sunny", "rainy", "windy", "snowy", "foggy", "cloudy", "warm", "cold"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
           "twelve", "thirteen", "fourteen", "fifteen"]

# How a bad moment starts: (feeling, what happened)
TROUBLES = [("sad", "because {A.his} best friend was away"), ("sad", "because {A.his} sand castle fell down"),
            ("scared", "because the night was dark"), ("scared", "because of the loud thunder"),
            ("angry", "because {A.his} tower fell over"), ("angry", "because nobody listened"),
            ("tired", "after the long walk"), ("tired", "because {A.he} got up so early"),
            ("bored", "because there was nothing to do"), ("bored", "because it was so quiet"),
            ("shy", "because {A.he} did not know anyone"), ("shy", "because everyone looked at {A.him}"),
            ("hungry", "because lunch was late"), ("hungry", "because {A.he} had no breakfast"),
            ("worried", "because {A.he} could not find the way"), ("worried", "because the wind was so strong")]

# What helps, and how one feels after it; {B} is the helper.
COMFORTS = [("happy", "{B} sang a funny song for {A.him}"), ("happy", "{B} gave {A.him} a big hug"),
            ("calm", "{B} sat down next to {A.him} and told a quiet story"),
            ("calm", "{B} held {A.his} hand"), ("brave", "{B} said, \"I am right here with you,\""),
            ("brave", "{B} stayed close"), ("proud", "{B} said that {A} was doing very well"),
            ("proud", "{B} showed {A.him} how to do it, and it worked"),
            ("excited", "{B} had a new idea for a game"), ("excited", "{B} planned a little trip"),
            ("cheerful", "{B} made a silly face"), ("cheerful", "{B} brought {A.him} some warm soup")]


def article(words):
    """'a red ball', 'an orange ball'."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def where(place):
    """'in the park', 'at the market'."""
    return f"{ROOMS.get(place) or OUTDOORS[place]} the {place}"


def amount(number, plural):
    """'one apple', 'three apples', 'no apples'."""
    return f"{NUMBERS[number]} {COUNTABLES[plural] if number == 1 else plural}"


# What one does with a thing that one holds; it changes nothing. {A.his} and so on are filled in by the teller.
PLAY = {
    "ball": ["bounced the ball", "threw the ball up high and caught it", "rolled the ball in a circle"],
    "book": ["read a page of the book", "looked at the pictures in the book", "read aloud from the book"],
    "hat": ["wore the hat and made a bow", "tried the hat on", "laughed, because the hat was much too big"],
    "cup": ["drank some milk from the cup", "filled the cup with tea", "washed the cup with care"],
    "kite": ["let the kite fly up to the clouds", "ran fast, and the kite danced in the wind", "made a new tail for the kite"],
    "drum": ["beat the drum, boom, boom, boom", "played a march on the drum", "tapped softly on the drum"],
    "doll": ["rocked the doll to sleep", "combed the hair of the doll", "sang to the doll"],
    "lamp": ["lit the lamp", "held the lamp up high", "made shadows with the lamp"],
    "key": ["turned the key over and over", "wondered which door the key would open", "hung the key on a string"],
    "umbrella": ["opened the umbrella and spun around", "walked about under the umbrella", "shook the umbrella dry"],
    "scarf": ["wore the scarf like a cape", "wrapped the scarf around {A.his} neck", "folded the scarf neatly"],
    "bell": ["rang the bell, ding dong", "made the bell shine", "listened to the sound of the bell"],
    "boat": ["let the boat float in a tub", "painted a star on the boat", "made a paper sail for the boat"],
    "spoon": ["stirred the soup with the spoon", "tapped a tune with the spoon", "looked at {A.his} own face in the spoon"],
    "blanket": ["cuddled up in the blanket", "built a tent with the blanket", "shook out the blanket"],
    "flute": ["played a slow tune on the flute", "played the flute like a bird", "practiced on the flute"],
    "map": ["studied the map for a long time", "found a secret path on the map", "unrolled the map"],
    "teddy bear": ["hugged the teddy bear", "gave the teddy bear a kiss", "told the teddy bear a secret"],
    "wagon": ["pulled the wagon along", "gave the wagon a good push", "oiled the wheels of the wagon"],
    "bag": ["swung the bag back and forth", "looked into the bag", "packed a sandwich into the bag"],
    "ring": ["tried on the ring", "let the ring sparkle in the light", "polished the ring"],
    "brush": ["painted a big sun with the brush", "drew a house with the brush", "cleaned the brush"],
}

# What one notices at a place.
NOTICED = {
    "kitchen": ["It smelled of soup there.", "The kettle was singing."], "garden": ["Bees hummed around the roses.", "The roses were in bloom."],
    "bedroom": ["It was cozy there.", "The pillows were soft."], "living room": ["The old clock ticked.", "The fire crackled."],
    "hall": ["Every step made an echo.", "There were coats and boots."], "attic": ["It was dusty up there.", "There were old trunks and cobwebs."],
    "cellar": ["It was cool and dark.", "There were jars of jam."], "yard": ["The washing danced in the wind.", "The grass was wet."],
    "park": ["Children played tag.", "The fountain splashed."], "school": ["The children sang a song.", "Someone wrote on the board."],
    "beach": ["The waves were loud.", "The sand was warm."], "forest": ["It smelled of pine trees.", "A woodpecker knocked."],
    "market": ["There were heaps of fruit.", "A man sold balloons."], "farm": ["The cows mooed.", "It smelled of hay."],
    "library": ["It was very quiet there.", "There were books up to the ceiling."], "river": ["The water was clear.", "Small fish swam by."],
    "bakery": ["It smelled of fresh rolls.", "The baker waved."], "lake": ["The water was like a mirror.", "Swans swam by."],
    "zoo": ["The monkeys made faces.", "An elephant took a bath."], "playground": ["The swings were all taken.", "The slide was fast."],
}

SKY = {
    "sunny": ["The sun shone through the window.", "Not a cloud was in the sky."], "rainy": ["Drops ran down the window.", "There were puddles everywhere."],
    "windy": ["The wind shook the trees.", "Leaves flew through the air."], "snowy": ["Everything was white.", "Big flakes fell from the sky."],
    "foggy": ["One could hardly see the next house.", "Everything looked like a dream."], "cloudy": ["The sky was gray.", "The clouds looked like sheep."],
    "warm": ["Nobody needed a coat.", "The windows stood open."], "cold": ["Everyone wore mittens.", "There was ice on the pond."],
}

ANIMAL_DOES = ["The {k} yawned.", "The {k} blinked.", "It was a very {q} {k}.", "{A} stroked the {k}.", "{A} gave the {k} some water.",
               "The {k} dreamed of something nice.", "The {k} wiggled its nose.", "Everybody loved the {k}.", "{A} talked to the {k}.",
               "The {k} was {q}."]
