#include "gemma/text/text_stream.hpp"

#include "gemma/text/utf8.hpp"

#include <utility>

namespace gemma {

TextStream::TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

std::string TextStream::add(int token) {
    kept_back_ += tokenizer_.bytes(token);
    return take_characters(kept_back_);
}

std::string TextStream::finish() { return valid_utf8(std::exchange(kept_back_, {})); }

}  // namespace gemma
