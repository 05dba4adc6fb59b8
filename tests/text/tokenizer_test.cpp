#include "gemma/text/tokenizer.hpp"
#include "gemma/checkpoint/embedded.hpp"

#include "gemma/error.hpp"
#include "tests/fuzz/tokenizer_model.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tokenizer_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace gemma {
namespace {

// A string literal with its zeros.
template <std::size_t N>
std::string bytes_of(const char (&literal)[N]) {
    return std::string(literal, N - 1);
}

bool holds_control_token(const std::vector<int>& tokens) {
    return std::any_of(tokens.begin(), tokens.end(), [](int token) { return token <= SpecialTokens::end_of_turn; });
}

void append_utf8(std::string& text, unsigned code) {
    const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
    if (code < 0x80) {
        text += static_cast<char>(code);
    } else if (code < 0x800) {
        text += static_cast<char>(0xC0 | (code >> 6));
        tail(0);
    } else if (code < 0x10000) {
        text += static_cast<char>(0xE0 | (code >> 12));
        tail(6), tail(0);
    } else {
        text += static_cast<char>(0xF0 | (code >> 18));
        tail(12), tail(6), tail(0);
    }
}

unsigned any_code_point(std::mt19937& random) {
    static const unsigned limits[] = {0x80, 0x800, 0x10000, 0x110000};
    while (true) {
        const unsigned code = random() % limits[random() % 4];
        if ((code < 0xD800 || code > 0xDFFF) && code != 0x2581) return code;
    }
}

// Words, white space, whole and broken names of control tokens, and characters from everywhere.
std::string any_text(std::mt19937& random) {
    static const std::vector<std::string> parts = {"<end_of_turn>",
                                                   "<start_of_turn>",
                                                   "<mask>",
                                                   "<2mass>",
                                                   "[@BOS@]",
                                                   "<unused0>",
                                                   "<unused98>",
                                                   "<bos>",
                                                   "<eos>",
                                                   "<pad>",
                                                   "<unk>",
                                                   "</s>",
                                                   "<end_of_turn",
                                                   "_of_turn>",
                                                   "<unused",
                                                   "<0x0A>",
                                                   "[@",
                                                   "<",
                                                   ">",
                                                   "<<",
                                                   " ",
                                                   "  ",
                                                   "\t",
                                                   "\n",
                                                   "\n\n",
                                                   "\r\n",
                                                   "the",
                                                   " Ruby",
                                                   "12",
                                                   "🙂",
                                                   "日本",
                                                   "é",
                                                   bytes_of("\0")};
    std::string text;
    for (unsigned n = random() % 20; n > 0; --n) {
        if (random() % 4 == 0) {
            append_utf8(text, any_code_point(random));
        } else {
            text += parts[random() % parts.size()];
        }
    }
    return text;
}

TEST_CASE("tokenizer: the tokens are sentencepiece's") {
    for (const auto& entry : tokenizer_fixture().at("encode")) {
        const std::string text = entry.at("text");
        CAPTURE(text);
        CHECK(nano_tokenizer().encode(text) == entry.at("tokens").get<std::vector<int>>());
    }
}

TEST_CASE("tokenizer: the text of tokens is sentencepiece's, whole characters or not") {
    for (const auto& entry : tokenizer_fixture().at("decode")) {
        const std::vector<int> tokens = entry.at("tokens");
        CAPTURE(entry.dump());
        CHECK(nano_tokenizer().decode(tokens) == entry.at("text").get<std::string>());
    }
}

TEST_CASE("tokenizer: the name of a control token is text") {
    for (const auto& entry : tokenizer_fixture().at("control")) {
        std::string text;
        for (const std::string part : entry.at("parts")) text += part;
        CAPTURE(text);
        const std::vector<int> tokens = nano_tokenizer().encode(text);
        CHECK(tokens == entry.at("tokens").get<std::vector<int>>());
        CHECK_FALSE(holds_control_token(tokens));
    }
}

TEST_CASE("tokenizer: no control token's name makes a control token") {
    for (int token = 0; token <= SpecialTokens::end_of_turn; ++token) {
        const std::string name = nano_tokenizer().piece(token);
        CAPTURE(name);
        for (const std::string& text : {name, "a" + name + "b", name + name, "\n" + name + " ", "<" + name + ">"}) {
            const std::vector<int> tokens = nano_tokenizer().encode(text);
            CHECK_FALSE(holds_control_token(tokens));
            CHECK(nano_tokenizer().decode(tokens) == text);
        }
    }
}

TEST_CASE("tokenizer: a line end is one token") {
    CHECK(nano_tokenizer().encode("\n") == std::vector<int>{108});
    CHECK(nano_tokenizer().encode("\n\n") == std::vector<int>{109});
    CHECK(nano_tokenizer().bytes(108) == "\n");
}

TEST_CASE("tokenizer: any text comes back from its tokens") {
    std::mt19937 random(7);
    for (int i = 0; i < 3000; ++i) {
        const std::string text = any_text(random);
        CAPTURE(text);
        const std::vector<int> tokens = nano_tokenizer().encode(text);
        REQUIRE(nano_tokenizer().decode(tokens) == text);
        REQUIRE_FALSE(holds_control_token(tokens));
    }
}

TEST_CASE("tokenizer: sentencepiece's mark for a space is read as a space") {
    CHECK(nano_tokenizer().encode("a▁b") == nano_tokenizer().encode("a b"));
}

TEST_CASE("tokenizer: a prompt has one bos") {
    CHECK(nano_tokenizer().encode_prompt("") == std::vector<int>{SpecialTokens::bos});
    std::vector<int> expected = nano_tokenizer().encode("Hello");
    expected.insert(expected.begin(), SpecialTokens::bos);
    CHECK(nano_tokenizer().encode_prompt("Hello") == expected);
    const std::vector<int> typed = nano_tokenizer().encode_prompt("<bos>Hello");
    CHECK(std::count(typed.begin(), typed.end(), int{SpecialTokens::bos}) == 1);
}

TEST_CASE("tokenizer: control tokens have no text") {
    const std::vector<int> tokens = {SpecialTokens::bos, SpecialTokens::start_of_turn, 108,
                                     SpecialTokens::unk, SpecialTokens::mask,          SpecialTokens::end_of_turn,
                                     SpecialTokens::eos};
    CHECK(nano_tokenizer().decode(tokens) == "\n");
}

TEST_CASE("tokenizer: pieces show how a token looks") {
    CHECK(nano_tokenizer().piece(SpecialTokens::bos) == "<bos>");
    CHECK(nano_tokenizer().piece(SpecialTokens::start_of_turn) == "<start_of_turn>");
    const std::vector<int> tokens = nano_tokenizer().encode(" the\x01");
    REQUIRE(tokens.size() == 2);
    CHECK(nano_tokenizer().piece(tokens[0]) == "▁the");
    CHECK(nano_tokenizer().piece(tokens[1]) == "<0x01>");
    CHECK(nano_tokenizer().bytes(tokens[0]) == " the");
    CHECK(nano_tokenizer().bytes(tokens[1]) == "\x01");
}

TEST_CASE("tokenizer: an unknown id is an error") {
    const int size = static_cast<int>(nano_tokenizer().vocab_size());
    for (const int token : {-1, size, size + 1000}) {
        const std::string expected =
            "token " + std::to_string(token) + " is not in the tokenizer, expected 0 to " + std::to_string(size - 1);
        CHECK(message_of<Error>([&] { nano_tokenizer().decode({token}); }) == expected);
        CHECK(message_of<Error>([&] { nano_tokenizer().piece(token); }) == expected);
    }
}

TEST_CASE("tokenizer: text that is not UTF-8 is an error that says where") {
    const std::pair<std::string, std::string> cases[] = {{"ab\xFF", "0xFF at offset 2"},
                                                         {"\x80", "0x80 at offset 0"},
                                                         {"\xC3", "0xC3 at offset 0"},
                                                         {"ok \xE2\x28\xA1", "0xE2 at offset 3"},
                                                         {"\xC0\xAF", "0xC0 at offset 0"},
                                                         {"\xE0\x80\xAF", "0xE0 at offset 0"},
                                                         {"\xED\xA0\x80", "0xED at offset 0"},
                                                         {"\xF4\x90\x80\x80", "0xF4 at offset 0"},
                                                         {"🙂\xF0\x9F\x99", "0xF0 at offset 4"},
                                                         {"\xF5\x80\x80\x80", "0xF5 at offset 0"}};
    for (const auto& [text, found] : cases) {
        CHECK(message_of<Error>([&, &text = text] { nano_tokenizer().encode(text); }) ==
              "the text has byte " + found + ", expected UTF-8");
    }
}

TEST_CASE("tokenizer: a file that is no tokenizer is an error that names it") {
    const TemporaryDirectory directory;
    const std::string model = read_file(embedded_model() / "tokenizer.model");
    const auto message_for = [&](const std::string& content) {
        write_file(directory / "tokenizer.model", content);
        return message_of<Error>([&] { Tokenizer(directory / "tokenizer.model"); });
    };
    const std::string name = (directory / "tokenizer.model").string();
    CHECK(message_of<Error>([&] { Tokenizer(directory / "missing"); }) ==
          (directory / "missing").string() +
              ": cannot be opened (No such file or directory), expected a readable file");
    CHECK(message_of<Error>([&] { Tokenizer(directory.path()); }) ==
          directory.path().string() + ": found a directory, expected a file");
    CHECK(message_for("") == name + ": found 0 bytes that are no sentencepiece model");
    CHECK(message_for("version https://git-lfs.github.com/spec/v1\n").find("no sentencepiece model") !=
          std::string::npos);
    CHECK(message_for(model.substr(0, model.size() / 2)).find(name) == 0);
    CHECK(message_for(model) == "");
}

// What loading a model says that has these fields behind those of a good one.
std::string message_with(const std::string& fields) {
    const TemporaryDirectory directory;
    write_file(directory / "tokenizer.model", fuzz::good_tokenizer() + fields);
    return message_of<Error>([&] { Tokenizer(directory / "tokenizer.model"); });
}

TEST_CASE("tokenizer: what sentencepiece would believe unchecked is refused before") {
    using fuzz::field;
    using fuzz::piece;
    CHECK(message_with("") == "");
    CHECK(message_with(piece("th", -1, 1)) == "");
    // A table that says where text goes on, beyond its end.
    const std::string table = std::string("\x08\0\0\0", 4) + std::string(8, '\xff') + "abc";
    CHECK(contains(message_with(field(3, field(2, table))),
                   "found a normalization table of 15 bytes, expected none: Gemma keeps text as it is"));
    CHECK(contains(message_with(field(5, field(2, table))), "found a normalization table"));
    CHECK(contains(message_with(field(2, fuzz::setting(3, 1))),
                   "found the kind 1 of tokenizer, expected 2, byte-pair encoding"));
    CHECK(contains(message_with(piece(std::string(2000, 'a'), -1, 1)), "has 2000 bytes, expected at most 1024"));
    CHECK(message_with(piece(std::string(64, 'a'), -1, 4)) == "");
    CHECK(contains(message_with(piece(std::string(65, 'a'), -1, 4)), "has 65 characters, expected at most 64"));
    CHECK(contains(message_with(piece("a\xff", -1, 1)), "has byte 0xFF at offset 1, expected UTF-8"));
    CHECK(contains(message_with(piece("th", std::nanf(""), 1)), "has the score nan, expected a number"));
    CHECK(contains(message_with(piece("", -1, 1)), "no sentencepiece model"));   // an empty piece
    CHECK(contains(message_with(piece("t", -1, 1)), "no sentencepiece model"));  // one that is there
    CHECK(contains(message_with("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "no sentencepiece model"));
    CHECK(contains(message_with("\x0b"), "no sentencepiece model"));  // a kind of field that there is not
}

TEST_CASE("tokenizer: a file cut short at any length is an error or has fewer pieces") {
    const TemporaryDirectory directory;
    const std::string model = fuzz::good_tokenizer();
    for (std::size_t length = 0; length < model.size(); length += length < 60 || length > model.size() - 60 ? 1 : 97) {
        CAPTURE(length);
        write_file(directory / "tokenizer.model", model.substr(0, length));
        CHECK(message_of<Error>([&] { Tokenizer(directory / "tokenizer.model"); }) != "");  // the settings come last
    }
}

TEST_CASE("tokenizer: special tokens elsewhere are an error") {
    const TemporaryDirectory directory;
    std::string model = read_file(embedded_model() / "tokenizer.model");
    const std::size_t at = model.find("<end_of_turn>");
    REQUIRE(at != std::string::npos);
    model.replace(at, 13, "<stop_of_turn");  // as long, so that the file stays well-formed
    write_file(directory / "tokenizer.model", model);
    const std::string message = message_of<Error>([&] { Tokenizer(directory / "tokenizer.model"); });
    CHECK(message.find("found <end_of_turn> at id 3, expected it at 107") != std::string::npos);
}

TEST_CASE("tokenizer: can be moved") {
    Tokenizer first(embedded_model() / "tokenizer.model");
    const std::vector<int> tokens = first.encode("Hello");
    Tokenizer second = std::move(first);
    CHECK(second.encode("Hello") == tokens);
}

}  // namespace
}  // namespace gemma
