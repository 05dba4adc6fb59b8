#include "gemma/text/utf8.hpp"

#include "gemma/error.hpp"

#include <doctest/doctest.h>

#include <string>

namespace gemma {
namespace {

using State = Utf8Character::State;

void check_first(std::string_view bytes, State state, std::size_t length) {
    const Utf8Character character = first_character(bytes);
    CAPTURE(std::string(bytes));
    CHECK(character.state == state);
    CHECK(character.length == length);
}

TEST_CASE("utf8: the first and last character of each length") {
    check_first(std::string_view("\0", 1), State::whole, 1);
    check_first("\x7F", State::whole, 1);
    check_first("\xC2\x80", State::whole, 2);
    check_first("\xDF\xBF", State::whole, 2);
    check_first("\xE0\xA0\x80", State::whole, 3);
    check_first("\xED\x9F\xBF", State::whole, 3);
    check_first("\xEE\x80\x80", State::whole, 3);
    check_first("\xEF\xBF\xBF", State::whole, 3);
    check_first("\xF0\x90\x80\x80", State::whole, 4);
    check_first("\xF4\x8F\xBF\xBF", State::whole, 4);
}

TEST_CASE("utf8: one step beyond is invalid") {
    for (const char* bytes :
         {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82z", "\xE2z", "\xF0\x9F\x99z"}) {
        check_first(bytes, State::invalid, 1);
    }
}

TEST_CASE("utf8: the beginning of a character is unfinished") {
    check_first("\xC2", State::unfinished, 1);
    check_first("\xE2\x82", State::unfinished, 2);
    check_first("\xF0\x9F\x99", State::unfinished, 3);
}

TEST_CASE("utf8: whole characters are taken, the beginning of one is left") {
    std::string bytes = "a\xFF\u00E9\xF0\x9F";
    CHECK(take_characters(bytes) == "a\uFFFD\u00E9");
    CHECK(bytes == "\xF0\x9F");
    CHECK(take_characters(bytes) == "");
    bytes += "\x99\x82!";
    CHECK(take_characters(bytes) == "\U0001F642!");
    CHECK(bytes == "");
}

TEST_CASE("utf8: at the end, each byte of an unfinished character is replaced") {
    CHECK(valid_utf8("ok\xF0\x9F\x99") == "ok\uFFFD\uFFFD\uFFFD");
    CHECK(valid_utf8("") == "");
    CHECK_NOTHROW(require_utf8("it", valid_utf8("\xE2\x28\xA1")));
}

}  // namespace
}  // namespace gemma
