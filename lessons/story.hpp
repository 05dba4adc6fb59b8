// A story to measure losses on: the small model has not seen it in training (lessons/nano/training/stories.py, a seed
// kept for tests).
#pragma once

namespace lesson {

inline constexpr const char* unseen_story =
    "Jack was happy to see Hugo. Jack and Hugo walked to the bedroom. Hugo did not stay in the bedroom. He went to the "
    "garden. He carried six nuts in a basket. Hugo found four more nuts. \"Where is Jack?\" asked Dad. \"He is in the "
    "bedroom,\" said Hugo. \"How many nuts does Hugo have?\" asked Jack. \"Ten\" was the answer. It was good to have "
    "friends.\n\nQuestion: Do you know where Jack is?\nAnswer: Jack is in the bedroom.";

}  // namespace lesson
