#include "gemma/trace/compare.hpp"

#include "gemma/error.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

using namespace gemma;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinite = std::numeric_limits<float>::infinity();

// A record made by hand.
class Handmade : public Record {
public:
    Handmade(std::map<std::string, RecordedTensor> tensors, TokenRange range = {})
        : tensors_(std::move(tensors)), range_(range) {}

    std::vector<std::string> names() const override {
        std::vector<std::string> names;
        for (const auto& [name, tensor] : tensors_) names.push_back(name);
        return names;
    }
    Shape shape(const std::string& name) const override { return tensors_.at(name).shape; }
    RecordedTensor tensor(const std::string& name) const override { return tensors_.at(name); }
    TokenRange range() const override { return range_; }

private:
    std::map<std::string, RecordedTensor> tensors_;
    TokenRange range_;
};

TensorComparison compare_one(const RecordedTensor& reference, const RecordedTensor& other,
                             const std::string& name = "model.norm", TokenRange range = {}) {
    const Comparison comparison = compare(Handmade({{name, reference}}, range), Handmade({{name, other}}));
    REQUIRE(comparison.tensors.size() == 1);
    return comparison.tensors[0];
}

TensorComparison compare_rows(const std::vector<float>& reference, const std::vector<float>& other) {
    return compare_one({{reference.size()}, reference}, {{other.size()}, other});
}

RecordedTensor zeros(const Shape& shape) { return {shape, std::vector<float>(element_count(shape))}; }

Match match_of_shapes(const Shape& reference, const Shape& other) {
    return compare_one(zeros(reference), zeros(other)).match;
}

}  // namespace

TEST_CASE("difference, relative difference, place and cosine") {
    const TensorComparison row = compare_one({{2, 2}, {3, -4, 0, 1}}, {{2, 2}, {3, -4, 2, 1}});
    CHECK(row.match == Match::different);
    CHECK(row.diverges());
    CHECK(row.difference == 2);
    CHECK(row.relative == 0.5);  // 2 / |-4|
    CHECK(row.index == Shape{1, 0});
    CHECK(row.reference_number == 0);
    CHECK(row.other_number == 2);
    CHECK(row.cosine == doctest::Approx(26 / std::sqrt(26.0 * 30.0)));
    CHECK_FALSE(row.reshaped);
}

TEST_CASE("rms, the share within tolerance, and the distance in bfloat16") {
    const TensorComparison row = compare_rows({3, -4, 0, 1}, {3, -4, 2, 1});
    CHECK(row.rms == doctest::Approx(2 / std::sqrt(26.0)));
    CHECK(row.rms_difference == doctest::Approx(1));  // sqrt(2² / 4)
    CHECK(row.within == 0.75);
    CHECK(row.identical == 0.75);
    CHECK(compare_rows({1, 2}, {1, 2}).units == 0);

    // bfloat16 has steps of 2^-7 from 1 to 2, of 2^-6 from 2 to 4, and of 2^-133 next to 0.
    const float step = 0x1p-7f;
    CHECK(compare_rows({1}, {1 + step}).units == 1);
    CHECK(compare_rows({1}, {1 + 3 * step}).units == 3);
    CHECK(compare_rows({-2}, {-2 - 2 * step}).units == 1);
    CHECK(compare_rows({1}, {1 + step / 4}).units == 0);  // the same bfloat16
    CHECK(compare_rows({1}, {1 + step / 4}).identical == 1);
    CHECK(compare_rows({0}, {0x1p-133f}).units == 1);
    CHECK(compare_rows({1}, {-1}).units == 256);
    CHECK(std::isinf(compare_rows({1}, {infinite}).units));
}

TEST_CASE("the reference's magnitude is what a difference is relative to") {
    CHECK(compare_rows({1, 0}, {1, 3}).relative == 3);
    CHECK(compare_rows({1, 3}, {1, 0}).relative == 1);
}

TEST_CASE("tensors are the same up to the tolerance") {
    CHECK(default_tolerance("model.norm") == 1e-5);
    CHECK(default_tolerance("lm_head") == 5e-5);
    const float step = 0x1p-16f;  // 1.53e-5
    CHECK(compare_rows({1, 0}, {1, step / 2}).match == Match::same);
    CHECK(compare_rows({1, 0}, {1, step}).match == Match::different);
    CHECK(compare_one({{2}, {1, 0}}, {{2}, {1, step}}, "lm_head").match == Match::same);

    const Handmade a({{"x", {{1}, {2}}}}), b({{"x", {{1}, {3}}}});
    CHECK(compare(a, b, 0.5).tensors[0].match == Match::same);
    CHECK(compare(a, b, 0.49).tensors[0].match == Match::different);
    CHECK(compare(a, a, 0).tensors[0].match == Match::same);
}

TEST_CASE("nothing and nothing are the same, something and nothing are not") {
    CHECK(compare_rows({0, 0}, {0, 0}).match == Match::same);
    CHECK(compare_rows({0, 0}, {0, 0}).cosine == 1);
    CHECK(compare_rows({0, 0}, {0, -0.0f}).match == Match::same);
    const TensorComparison row = compare_rows({0, 0}, {0, 1e-30f});
    CHECK(row.match == Match::different);
    CHECK(std::isinf(row.relative));
    CHECK(row.cosine == 0);
    CHECK(match_of_shapes({0, 4}, {0, 4}) == Match::same);
}

TEST_CASE("opposite and rescaled tensors have the cosines -1 and 1") {
    CHECK(compare_rows({1, 2, 3}, {-1, -2, -3}).cosine == doctest::Approx(-1));
    CHECK(compare_rows({1, 2, 3}, {2, 4, 6}).cosine == doctest::Approx(1));
    CHECK(compare_rows({1e30f, 0}, {1e30f, 0}).cosine == doctest::Approx(1));  // the squares exceed float32
}

TEST_CASE("NaN and infinity equal themselves only") {
    CHECK(compare_rows({1, not_a_number, infinite, -infinite}, {1, not_a_number, infinite, -infinite}).match ==
          Match::same);
    const std::pair<float, float> pairs[] = {{not_a_number, 1},       {1, not_a_number},     {infinite, 1},
                                             {1, -infinite},          {infinite, -infinite}, {not_a_number, infinite},
                                             {infinite, not_a_number}};
    for (const auto& pair : pairs) {
        const float a = pair.first, b = pair.second;
        CAPTURE(a);
        CAPTURE(b);
        const TensorComparison row = compare_rows({1, a, 2}, {1, b, 2});
        CHECK(row.match == Match::different);
        CHECK(std::isinf(row.difference));
        CHECK(std::isinf(row.relative));
        CHECK(row.index == Shape{1});
    }
    CHECK(compare_rows({not_a_number}, {not_a_number}).match == Match::same);
}

TEST_CASE("scores of later tokens do not count, those of probs do") {
    const RecordedTensor whole = {{1, 3, 3}, {1, 9, 9, 1, 2, 9, 1, 2, 3}};
    const RecordedTensor masked = {{1, 3, 3}, {1, 0, 0, 1, 2, 0, 1, 2, 3}};
    const RecordedTensor wrong = {{1, 3, 3}, {1, 0, 0, 1, 2, 0, 4, 2, 3}};
    const std::string scores = "model.layers.0.self_attn.scores";
    CHECK(compare_one(whole, masked, scores).match == Match::same);
    CHECK(compare_one(whole, masked, scores).cosine == doctest::Approx(1));
    CHECK(compare_one(whole, masked, "model.layers.0.self_attn.probs").match == Match::different);
    const TensorComparison row = compare_one(whole, wrong, scores);
    CHECK(row.index == Shape{0, 2, 0});
    CHECK(row.relative == 1);  // 3 / 3: the 9 of later tokens is not the largest magnitude
    CHECK(compare_one(whole, {{1, 3, 3}, {1, not_a_number, not_a_number, 1, 2, not_a_number, 1, 2, 3}}, scores).match ==
          Match::same);
    CHECK(compare_one(whole, {{1, 3, 3}, {not_a_number, 0, 0, 1, 2, 0, 1, 2, 3}}, scores).match == Match::different);
}

TEST_CASE("the rows of scores are the last tokens', or those of the range") {
    const std::string scores = "model.layers.0.self_attn.scores";
    // Two heads, one row of four tokens. The last token sees all four.
    const RecordedTensor row = {{2, 1, 4}, {1, 2, 3, 4, 5, 6, 7, 8}};
    const RecordedTensor last_differs = {{2, 1, 4}, {1, 2, 3, 9, 5, 6, 7, 8}};
    CHECK(compare_one(row, last_differs, scores).match == Match::different);
    CHECK(compare_one(row, last_differs, scores, {3, 4}).match == Match::different);
    CHECK(compare_one(row, last_differs, scores, {2, 3}).match == Match::same);
    CHECK(compare_one(row, {{2, 1, 4}, {1, 9, 9, 9, 5, 9, 9, 9}}, scores, {0, 1}).match == Match::same);
    CHECK(compare_one(row, {{2, 1, 4}, {1, 2, 3, 4, 9, 6, 7, 8}}, scores, {0, 1}).match == Match::different);
}

TEST_CASE("shapes that hold the numbers in the same order are put side by side") {
    const std::vector<float> numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    const TensorComparison row = compare_one({{2, 3, 2}, numbers}, {{1, 2, 6}, numbers});
    CHECK(row.match == Match::same);
    CHECK(row.reshaped);

    CHECK(match_of_shapes({5, 4, 6}, {1, 5, 24}) == Match::same);
    CHECK(match_of_shapes({1, 5, 24}, {5, 4, 6}) == Match::same);
    CHECK(match_of_shapes({5, 20}, {1, 5, 20}) == Match::same);
    CHECK(match_of_shapes({5}, {1, 5, 1}) == Match::same);
    CHECK(match_of_shapes({4, 5, 5}, {1, 4, 5, 5}) == Match::same);
    CHECK(match_of_shapes({5, 1, 6}, {5, 6}) == Match::same);
    CHECK(match_of_shapes({1, 4, 6}, {1, 1, 24}) == Match::same);  // one token

    CHECK(match_of_shapes({5, 4, 6}, {1, 4, 5, 6}) == Match::other_shape);  // heads before tokens
    CHECK(match_of_shapes({5, 4, 6}, {5, 6, 4}) == Match::other_shape);
    CHECK(match_of_shapes({5, 4, 6}, {5, 25}) == Match::other_shape);
    CHECK(match_of_shapes({5, 20}, {6, 20}) == Match::other_shape);
    CHECK(match_of_shapes({5, 20}, {20, 5}) == Match::other_shape);
    CHECK(match_of_shapes({2, 3, 4, 5}, {6, 20}) == Match::other_shape);
}

TEST_CASE("scores with an axis for the batch lose the same numbers") {
    const RecordedTensor whole = {{2, 2, 2}, {1, 9, 1, 2, 3, 9, 3, 4}};
    const RecordedTensor masked = {{1, 2, 2, 2}, {1, 0, 1, 2, 3, 0, 3, 4}};
    CHECK(compare_one(whole, masked, "a.scores").match == Match::same);
    CHECK(compare_one(masked, whole, "a.scores").match == Match::same);
}

TEST_CASE("rows are in the order of the forward pass, with those of one side only") {
    const RecordedTensor x = {{1}, {1}}, y = {{1}, {2}};
    const Handmade reference({{"lm_head", x}, {"model.layers.10", x}, {"model.layers.2", x}, {"model.norm", x}});
    const Handmade other({{"lm_head", y}, {"model.embed_tokens", x}, {"model.layers.10", y}, {"model.layers.2", x}});
    const Comparison comparison = compare(reference, other);
    std::vector<std::string> names;
    std::vector<Match> matches;
    for (const TensorComparison& tensor : comparison.tensors) {
        names.push_back(tensor.name);
        matches.push_back(tensor.match);
    }
    CHECK(names ==
          std::vector<std::string>{"model.embed_tokens", "model.layers.2", "model.layers.10", "model.norm", "lm_head"});
    CHECK(matches == std::vector<Match>{Match::only_in_other, Match::same, Match::different, Match::only_in_reference,
                                        Match::different});
    REQUIRE(comparison.first_divergence() != nullptr);
    CHECK(comparison.first_divergence()->name == "model.layers.10");
    CHECK(comparison.count(Match::different) == 2);
    CHECK(comparison.count(Match::only_in_other) == 1);
}

TEST_CASE("tensors of one side only do not diverge, but no common name is an error") {
    const RecordedTensor x = {{1}, {1}};
    CHECK(compare(Handmade({{"a", x}, {"b", x}}), Handmade({{"b", x}})).first_divergence() == nullptr);
    CHECK(message_of<Error>([&] {
              compare(Handmade({{"a", x}}), Handmade({{"b", x}, {"c", x}}));
          }) == "the two have no tensor name in common: found 1 and 2 tensors, expected at least one in both");
}

TEST_CASE("runs differ by their tokens, then by the rows that were kept") {
    const TemporaryDirectory directory;
    int files = 0;
    const auto trace = [&](const std::vector<int>& tokens, TokenRange range = {}) {
        const std::filesystem::path file = directory / (std::to_string(files++) + ".safetensors");
        write_trace(file, Handmade({{"model.norm", {{1, 2}, {1, 2}}}}, range), {"", "", "", "", tokens});
        return TraceFile(file, TraceFile::Accept::any_tensors);
    };
    CHECK(different_runs(trace({2, 5, 7}), trace({2, 5, 7})) == "");
    CHECK(different_runs(trace({2, 5, 7}), trace({2, 6, 7})) == "the tokens differ: token 1 is 5 and 6");
    CHECK(different_runs(trace({2, 5, 7}), trace({2, 5})) == "the tokens differ: there are 3 and 2");
    CHECK(different_runs(trace({2, 5, 7}), trace({})) == "");
    CHECK(different_runs(trace({2, 5, 7}, {0, 1}), trace({2, 5, 7}, {1, 2})) ==
          "the rows differ: those of tokens 0 to 0, and 1 to 1");
    CHECK(different_runs(trace({2, 5, 7}, {0, 3}), trace({2, 5, 7})) == "");
}
