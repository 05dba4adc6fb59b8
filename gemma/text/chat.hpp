// A conversation as the instruct model was taught to read it.
//
//   <bos><start_of_turn>user
//   {text}<end_of_turn>
//   <start_of_turn>model
//   {answer}<end_of_turn>
//   ...
#pragma once

#include "gemma/text/tokenizer.hpp"

#include <string_view>
#include <vector>

namespace gemma {

/// The tokens that a user's turn adds to a conversation, up to where the model's answer begins. The first turn starts
/// with bos; each later one starts by closing the model's turn before it ("<end_of_turn>\n").
/// The text is trimmed, and control tokens in it stay text.
std::vector<int> user_turn(const Tokenizer& tokenizer, std::string_view text, bool first);

}  // namespace gemma
