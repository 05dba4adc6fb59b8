// A story to measure losses on: the small model has not seen it in training (lessons/nano/training/stories.py, a seed
// kept for tests).
#pragma once

namespace lesson {

inline constexpr const char* unseen_story =
    "Zoe and Max had the whole day for themselves. Leo took good care of a rabbit. The rabbit sat under the bush and "
    "looked around. Zoe owned a pink kite. She made a new tail for the kite. The clock struck five. Then Zoe handed "
    "the "
    "kite to Max. So now it was Max who had the kite. Emma liked the kite so much that Max gave it to her. Emma walked "
    "to the school.\n\nThe children sang a song. Soon the rabbit was tired again and curled up under the bench. Later, "
    "the rabbit was next to the well. Grandpa asked, \"Where is Emma?\" \"She is at the school,\" answered Zoe. "
    "\"Sharing is fun,\" thought Zoe.\n\nQuestion: Who has the kite?\nAnswer: Emma has the kite.\n\nQuestion: Tell me "
    "the color of the kite.\nAnswer: The kite is pink.\n\nQuestion: Where can I find Emma?\nAnswer: Emma is at the "
    "school.";

}  // namespace lesson
