// UTF-8: a character is one to four bytes, and the first of them says how many.
//
//   0xxxxxxx                                 U+0000  … U+007F
//   110xxxxx 10xxxxxx                        U+0080  … U+07FF
//   1110xxxx 10xxxxxx 10xxxxxx               U+0800  … U+FFFF    (without U+D800 … U+DFFF)
//   11110xxx 10xxxxxx 10xxxxxx 10xxxxxx      U+10000 … U+10FFFF
//
// RFC 3629. A token may stand for a single byte, so that generated text can break off inside a character, and can be no
// UTF-8 at all: then U+FFFD "�" is shown for each byte that belongs to no character, as sentencepiece does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma {

/// What stands at the beginning of some bytes: a whole character, a character that breaks off at the end of the
/// bytes, or a byte that begins no character.
struct Utf8Character {
    enum class State { whole, unfinished, invalid };

    State state;
    std::size_t length;  // bytes of it that are there; 1 when invalid
};

/// The first character of at least one byte.
Utf8Character first_character(std::string_view bytes);

/// Throws an Error when a text is not UTF-8; `what` names it in the message.
void require_utf8(std::string_view what, std::string_view text);

/// Removes whole characters from the front of `bytes` and returns them; what is invalid becomes "�". Left behind is at
/// most the beginning of a character that more bytes may finish.
std::string take_characters(std::string& bytes);

/// The same for bytes that nothing follows: an unfinished character at the end becomes "�" too, one for each byte.
std::string valid_utf8(std::string bytes);

}  // namespace gemma
