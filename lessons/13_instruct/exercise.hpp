// The exercise: a conversation as the tokens that an instruct model was taught to read.
#pragma once

#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/trace.hpp"

#include <string>
#include <vector>

namespace exercise {

struct Turn {
    std::string role;  // "user" or "model"
    std::string text;
};

/// The prompt for the model's next answer: bos, every turn, and the beginning of a turn of the model.
///
///   <bos><start_of_turn>{role}\n{text}<end_of_turn>\n … <start_of_turn>model\n
///
/// The text is trimmed; control tokens that it names stay text. Trace points, for turn i: turn.i.words, the tokens of
/// role, line end and trimmed text; turn.i.tokens, the whole turn. At last prompt [T].
std::vector<int> chat_prompt(const gemma::Tokenizer& tokenizer, const std::vector<Turn>& turns, gemma::Trace trace);

}  // namespace exercise
