// "What breaks if …": the whole model with one thing wrong, and what it costs.
//
// The mistakes are those that `gemma diagnose` finds in other programs' numbers (gemma/diagnose/mistakes.hpp); the
// loss is measured on a story that the small model has not seen, and the text is what it writes greedily.
#pragma once

#include "lessons/lesson.hpp"

#include <string>
#include <vector>

namespace lesson {

/// The loss on the story with these mistakes, in nats a token. Whatever becomes of <bos>, the same tokens are to be
/// guessed: those of the story but its first.
double loss_with(Lesson& lesson, const std::vector<std::string>& mistakes);

/// A change of the loss, "+0.1676". One that rounds to nothing has no sign of its own.
std::string change_text(double change);

/// What the model with these mistakes writes after a prompt, so many tokens.
std::string text_with(Lesson& lesson, const std::vector<std::string>& mistakes, const std::string& prompt,
                      std::size_t tokens);

/// The step "What breaks if `question`": each of the mistakes, by name.
void what_breaks(Lesson& lesson, const std::string& question, const std::vector<std::string>& mistakes);

}  // namespace lesson
