#include "gemma/text/utf8.hpp"

#include "gemma/error.hpp"

#include <cstdint>

namespace gemma {

namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

std::uint8_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); }

// The length that a first byte announces; 0 when no character begins with it. 0xC0 and 0xC1 would begin a needlessly
// long form of an ASCII character, 0xF5 and above one beyond U+10FFFF.
std::size_t announced_length(std::uint8_t first) {
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first < 0xE0) return 2;
    if (first >= 0xE0 && first < 0xF0) return 3;
    if (first >= 0xF0 && first < 0xF5) return 4;
    return 0;
}

// The second byte is 10xxxxxx, and after four first bytes it must not make a needlessly long form (0xE0, 0xF0), a
// surrogate (0xED) or a number beyond U+10FFFF (0xF4).
bool fits_second(std::uint8_t first, std::uint8_t second) {
    const std::uint8_t from = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t to = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return second >= from && second <= to;
}

}  // namespace

Utf8Character first_character(std::string_view bytes) {
    using State = Utf8Character::State;
    const std::uint8_t first = byte_at(bytes, 0);
    const std::size_t length = announced_length(first);
    if (length == 0) return {State::invalid, 1};
    for (std::size_t i = 1; i < length; ++i) {
        if (i == bytes.size()) return {State::unfinished, i};
        const std::uint8_t next = byte_at(bytes, i);
        const bool fits = i == 1 ? fits_second(first, next) : (next & 0xC0) == 0x80;
        if (!fits) return {State::invalid, 1};
    }
    return {State::whole, length};
}

void require_utf8(std::string_view what, std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const Utf8Character character = first_character(text.substr(i));
        if (character.state != Utf8Character::State::whole) {
            fail("{} has byte 0x{:02X} at offset {}, expected UTF-8", what, byte_at(text, i), i);
        }
        i += character.length;
    }
}

std::string take_characters(std::string& bytes) {
    std::string taken;
    std::size_t i = 0;
    while (i < bytes.size()) {
        const std::string_view rest = std::string_view(bytes).substr(i);
        const Utf8Character character = first_character(rest);
        if (character.state == Utf8Character::State::unfinished) break;
        taken +=
            character.state == Utf8Character::State::whole ? rest.substr(0, character.length) : replacement_character;
        i += character.length;
    }
    bytes.erase(0, i);
    return taken;
}

std::string valid_utf8(std::string bytes) {
    std::string text = take_characters(bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) text += replacement_character;
    return text;
}

}  // namespace gemma
