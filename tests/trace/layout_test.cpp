#include "gemma/trace/layout.hpp"

#include "gemma/error.hpp"
#include "tests/support/error_message.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

using namespace gemma;

namespace {

constexpr bool heads = true, scores = true;

// T = 2 tokens, H = 3 heads, d = 2 numbers a head: the number tells the place, 100 t + 10 h + j.
const Shape expected = {2, 3, 2};
const std::vector<float> numbers = {0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121};

std::vector<float> read(const Stored& stored, const std::vector<float>& in_file, const LayoutChoice& choice = {}) {
    const ArrangementFound found = arrange(stored, expected, heads, !scores, choice);
    CAPTURE(found.reason);
    REQUIRE(found.arrangement.has_value());
    CHECK(found.arrangement->shape == expected);
    return arranged(in_file, stored, *found.arrangement);
}

ArrangementFound find(const Shape& stored, const Shape& wanted, const LayoutChoice& choice = {}) {
    return arrange({stored}, wanted, heads, !scores, choice);
}

}  // namespace

TEST_CASE("tokens first, merged, and with a batch axis") {
    for (const Shape& shape : std::vector<Shape>{{2, 3, 2}, {1, 2, 3, 2}, {2, 6}, {1, 2, 6}}) {
        CHECK(read({shape}, numbers) == numbers);
    }
}

TEST_CASE("heads first") {
    const std::vector<float> heads_first = {0, 1, 100, 101, 10, 11, 110, 111, 20, 21, 120, 121};
    CHECK(read({{3, 2, 2}}, heads_first) == numbers);
    CHECK(read({{1, 3, 2, 2}}, heads_first) == numbers);
}

TEST_CASE("the first axis contiguous") {
    // Token by token in the innermost place, then head by head, then j.
    const std::vector<float> fortran = {0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121};
    CHECK(read({{2, 3, 2}, true}, fortran) == numbers);
    CHECK(read({{1, 2, 3, 2}, true}, fortran) == numbers);
}

TEST_CASE("shapes that count from the innermost axis leave the numbers where they lie") {
    const LayoutChoice told = {Layout::ggml}, known = {Layout::automatic, true, true};
    CHECK(read({{2, 3, 2, 1}}, numbers, told) == numbers);
    CHECK(read({{6, 2}}, numbers, told) == numbers);
    CHECK(read({{6, 2}}, numbers, known) == numbers);
    CHECK_FALSE(find({6, 2}, expected).arrangement.has_value());  // whoever does not count so is not read so
}

TEST_CASE("as many tokens as heads: refused until it is told") {
    const Shape square = {3, 3, 2};
    CHECK(find({3, 3, 2}, square).ambiguous);
    CHECK(find({3, 3, 2}, square).reason.find("--layout") != std::string::npos);
    CHECK_FALSE(find({3, 3, 2}, square, {Layout::tokens_first}).arrangement->heads_first);
    CHECK(find({3, 3, 2}, square, {Layout::heads_first}).arrangement->heads_first);
    CHECK_FALSE(find({3, 3, 2}, square, {Layout::automatic, true}).arrangement->heads_first);
    CHECK(find({3, 6}, square).arrangement.has_value());                     // merged: one meaning only
    CHECK(find({1, 3, 2}, {1, 3, 2}).arrangement.has_value());               // one token,
    CHECK(find({3, 1, 2}, {1, 3, 2}).arrangement.has_value());               // either way
    CHECK(find({5, 5}, {5, 5}, {Layout::automatic, true, true}).ambiguous);  // T = D, as ggml may count
}

TEST_CASE("scores over a padded cache lose the padding") {
    // One head, two tokens, rows of four.
    const Stored stored = {{1, 2, 4}};
    const ArrangementFound found = arrange(stored, {1, 2, 2}, !heads, scores, {});
    REQUIRE(found.arrangement.has_value());
    CHECK(found.arrangement->shape == Shape{1, 2, 2});
    CHECK(arranged({1, 9, 0, 0, 2, 3, 0, 0}, stored, *found.arrangement) == std::vector<float>{1, 9, 2, 3});

    const Stored innermost_first = {{4, 2, 1}};
    const ArrangementFound ggml = arrange(innermost_first, {1, 2, 2}, !heads, scores, {Layout::ggml});
    REQUIRE(ggml.arrangement.has_value());
    CHECK(arranged({1, 9, 0, 0, 2, 3, 0, 0}, innermost_first, *ggml.arrangement) == std::vector<float>{1, 9, 2, 3});
    CHECK_FALSE(arrange({{1, 2, 1}}, {1, 2, 2}, !heads, scores, {}).arrangement.has_value());  // too few
}

TEST_CASE("what does not fit is told with both shapes; unknown sizes fit any") {
    CHECK(find({2, 3}, expected).reason == "has shape [2, 3], expected [2, 3, 2]");
    CHECK(find({5, 3}, {2, 0, 2}).reason == "has shape [5, 3], expected [2, ?, 2]");
    CHECK(find({2, 7, 2}, {2, 0, 2}).arrangement->shape == Shape{2, 7, 2});
    CHECK(find({1, 2, 20}, {2, 0}).arrangement->shape == Shape{2, 20});
}

TEST_CASE("layouts have names") {
    CHECK(parse_layout("auto") == Layout::automatic);
    CHECK(parse_layout("tokens-first") == Layout::tokens_first);
    CHECK(parse_layout("heads-first") == Layout::heads_first);
    CHECK(parse_layout("ggml") == Layout::ggml);
    CHECK(error_message([] { parse_layout("upside-down"); }) ==
          "found layout \"upside-down\", expected auto, tokens-first, heads-first or ggml");
}
