// Tokens into text as they come: a token may hold part of a character only, which is kept back until the rest is there.
//
//   token        "▁Hi"   <0xF0>   <0x9F>   <0x99>   <0x82>   "!"
//   comes out    " Hi"   ""       ""       ""       "🙂"     "!"
#pragma once

#include "gemma/text/tokenizer.hpp"

#include <string>

namespace gemma {

/// All that add() returned and then finish() are together what decode() gives for the same tokens.
class TextStream {
public:
    /// The tokenizer must outlive the stream.
    explicit TextStream(const Tokenizer& tokenizer);

    /// The text that became complete with this token; often its own, sometimes none. Throws an Error for an unknown id.
    std::string add(int token);

    /// What was kept back, now that nothing follows: "�" for each byte of an unfinished character.
    std::string finish();

private:
    const Tokenizer& tokenizer_;
    std::string kept_back_;
};

}  // namespace gemma
