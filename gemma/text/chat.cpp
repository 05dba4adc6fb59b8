#include "gemma/text/chat.hpp"

#include "gemma/strings.hpp"
#include "gemma/text/utf8.hpp"

#include <array>
#include <string>

namespace gemma {

namespace {

// Unicode's white space in UTF-8, and the four separators U+001C … U+001F: what Python's strip(), which the official
// chat template trims with, takes away.
constexpr std::array<std::string_view, 29> white_space = {
    " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\x1C",   "\x1D",   "\x1E",   "\x1F",
    "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

std::size_t leading_space(std::string_view text) {
    for (const std::string_view space : white_space) {
        if (starts_with(text, space)) return space.size();
    }
    return 0;
}

std::size_t trailing_space(std::string_view text) {
    for (const std::string_view space : white_space) {
        if (ends_with(text, space)) return space.size();
    }
    return 0;
}

std::string_view trim(std::string_view text) {
    while (const std::size_t bytes = leading_space(text)) text.remove_prefix(bytes);
    while (const std::size_t bytes = trailing_space(text)) text.remove_suffix(bytes);
    return text;
}

void append(std::vector<int>& tokens, const std::vector<int>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
}

}  // namespace

std::vector<int> user_turn(const Tokenizer& tokenizer, std::string_view text, bool first) {
    require_utf8("the text", text);  // before the frame is around it: the offset in the message is the user's
    std::vector<int> tokens;
    if (first) {
        tokens = {SpecialTokens::bos};
    } else {
        tokens = {SpecialTokens::end_of_turn};
        append(tokens, tokenizer.encode("\n"));
    }
    tokens.push_back(SpecialTokens::start_of_turn);
    append(tokens, tokenizer.encode("user\n" + std::string(trim(text))));
    tokens.push_back(SpecialTokens::end_of_turn);
    append(tokens, tokenizer.encode("\n"));
    tokens.push_back(SpecialTokens::start_of_turn);
    append(tokens, tokenizer.encode("model\n"));
    return tokens;
}

}  // namespace gemma
