#include "gemma/text/text_stream.hpp"

#include "gemma/error.hpp"
#include "gemma/text/utf8.hpp"
#include "tests/support/tokenizer_fixture.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

namespace gemma {
namespace {

TEST_CASE("text stream: a character of several bytes comes out when it is complete") {
    const std::vector<int> tokens = nano_tokenizer().encode("🙂!");
    REQUIRE(tokens.size() == 5);
    TextStream stream(nano_tokenizer());
    CHECK(stream.add(tokens[0]) == "");
    CHECK(stream.add(tokens[1]) == "");
    CHECK(stream.add(tokens[2]) == "");
    CHECK(stream.add(tokens[3]) == "🙂");
    CHECK(stream.add(tokens[4]) == "!");
    CHECK(stream.finish() == "");
}

TEST_CASE("text stream: what stays unfinished is shown at the end, once") {
    const std::vector<int> tokens = nano_tokenizer().encode("🙂");
    TextStream stream(nano_tokenizer());
    CHECK(stream.add(tokens[0]) == "");
    CHECK(stream.add(tokens[1]) == "");
    CHECK(stream.finish() == "��");
    CHECK(stream.finish() == "");
}

TEST_CASE("text stream: an interrupted character does not hold back what follows") {
    const int first_byte = nano_tokenizer().encode("🙂").front();
    TextStream stream(nano_tokenizer());
    CHECK(stream.add(first_byte) == "");
    CHECK(stream.add(nano_tokenizer().encode("a").front()) == "�a");
}

TEST_CASE("text stream: control tokens have no text, a leading space stays") {
    TextStream stream(nano_tokenizer());
    CHECK(stream.add(SpecialTokens::bos) == "");
    CHECK(stream.add(nano_tokenizer().encode(" the").front()) == " the");
    CHECK(stream.add(SpecialTokens::end_of_turn) == "");
}

TEST_CASE("text stream: all of it together is what decode gives, and each part is UTF-8") {
    std::mt19937 random(3);
    const unsigned size = static_cast<unsigned>(nano_tokenizer().vocab_size());
    for (int i = 0; i < 500; ++i) {
        std::vector<int> tokens;
        for (unsigned n = random() % 30; n > 0; --n) {
            const bool byte = random() % 2 == 0;  // the 256 bytes come after "\n\n"
            tokens.push_back(static_cast<int>(byte ? 110 + random() % 256 : random() % size));
        }
        TextStream stream(nano_tokenizer());
        std::string text;
        for (const int token : tokens) {
            const std::string part = stream.add(token);
            REQUIRE_NOTHROW(require_utf8("part", part));
            text += part;
        }
        text += stream.finish();
        REQUIRE(text == nano_tokenizer().decode(tokens));
    }
}

TEST_CASE("text stream: an unknown id is an error") {
    TextStream stream(nano_tokenizer());
    CHECK_THROWS_AS(stream.add(-1), Error);
}

}  // namespace
}  // namespace gemma
