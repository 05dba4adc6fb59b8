// The forward pass against the official PyTorch model: every tensor of every fixture, whose expected.safetensors holds
// what google/gemma_pytorch computed (tests/reference/README.md says how).

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/model/model.hpp"
#include "tests/model/official_run.hpp"
#include "tests/support/recording.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

namespace gemma {
namespace {

namespace fs = std::filesystem;

struct Fixture {
    explicit Fixture(const fs::path& model_directory, const fs::path& expected_file)
        : model(model_directory), expected(expected_file), cache(model.config(), 1024), tokens(tokens_of(expected)) {}

    Model model;
    SafetensorsFile expected;
    KVCache cache;
    std::vector<int> tokens;
};

// The design's tolerances, relative to the tensor's largest magnitude.
float tolerance_of(const std::string& name) { return name == "lm_head" ? 5e-5f : 1e-5f; }

// The largest |found - expected| where `counts(index)`, over the largest |expected|.
template <typename Counts>
float relative_difference(const std::vector<float>& found, const std::vector<float>& expected, Counts counts) {
    float difference = 0.0f, magnitude = 0.0f;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (!counts(i)) continue;
        magnitude = std::max(magnitude, std::fabs(expected[i]));
        const float distance = std::fabs(found[i] - expected[i]);
        if (!(distance <= difference)) difference = distance;  // also takes over a NaN
    }
    return magnitude > 0.0f ? difference / magnitude : difference;
}

// One record from several calls: rows appended along the token axis; what a call could not see yet is 0.
Recorded merged(const std::string& name, const std::vector<Recorded>& calls, std::size_t tokens) {
    if (!is_over_tokens_seen(name)) {
        Recorded all{calls[0].shape, {}};
        for (const Recorded& call : calls) all.values.insert(all.values.end(), call.values.begin(), call.values.end());
        all.shape[0] = tokens;
        return all;
    }
    const std::size_t H = calls[0].shape[0];
    Recorded all{{H, tokens, tokens}, std::vector<float>(H * tokens * tokens, 0.0f)};
    std::size_t first = 0;
    for (const Recorded& call : calls) {
        const std::size_t T = call.shape[1], S = call.shape[2];
        for (std::size_t h = 0; h < H; ++h) {
            for (std::size_t t = 0; t < T; ++t) {
                std::copy_n(&call.values[(h * T + t) * S], S, &all.values[(h * tokens + first + t) * tokens]);
            }
        }
        first += T;
    }
    return all;
}

// Every expected tensor is there, with its shape, and close. Scores of later tokens are taken away by the mask and are
// not there at all in cached decoding, so they count only when the pass was one call.
void check_against_official(const Fixture& fixture, const Recording& recording) {
    for (const StoredTensor& tensor : fixture.expected.tensors()) {
        if (tensor.name == "tokens") continue;
        INFO(tensor.name);
        const auto record = recording.records.find(tensor.name);
        REQUIRE(record != recording.records.end());
        const Recorded found = merged(tensor.name, record->second, fixture.tokens.size());
        REQUIRE(to_string(found.shape) == to_string(tensor.shape));
        const std::size_t T = fixture.tokens.size();
        const bool one_call = record->second.size() == 1;
        const auto counts = [&](std::size_t i) {
            return one_call || !is_over_tokens_seen(tensor.name) || i % T <= i / T % T;
        };
        CHECK(relative_difference(found.values, values_of(tensor), counts) <= tolerance_of(tensor.name));
    }
}

void check_in_pieces(const fs::path& directory, const fs::path& expected, std::size_t piece) {
    Fixture fixture(directory, expected);
    Recording recording;
    for (std::size_t first = 0; first < fixture.tokens.size(); first += piece) {
        const std::size_t last = std::min(first + piece, fixture.tokens.size());
        fixture.model.forward({fixture.tokens.begin() + first, fixture.tokens.begin() + last}, fixture.cache,
                              Trace(recording));
    }
    check_against_official(fixture, recording);
}

}  // namespace

TEST_CASE("The small model that comes along equals the official model") {
    const fs::path expected = fs::path(GEMMA_LESSON_10) / "official.safetensors";
    check_in_pieces(embedded_model(), expected, 100000);
    check_in_pieces(embedded_model(), expected, 1);
}

TEST_CASE("There are at least eight fixtures of the official model") { CHECK(fixture_directories().size() >= 8); }

TEST_CASE("Every traced tensor equals the official model's: the whole prompt at once") {
    for (const fs::path& directory : fixture_directories()) {
        INFO(directory.filename().string());
        check_in_pieces(directory, directory / "expected.safetensors", 100000);
    }
}

TEST_CASE("Every traced tensor equals the official model's: one token at a time, with the cache") {
    for (const fs::path& directory : fixture_directories()) {
        INFO(directory.filename().string());
        check_in_pieces(directory, directory / "expected.safetensors", 1);
    }
}

TEST_CASE("Every traced tensor equals the official model's: in chunks, with the cache") {
    for (const fs::path& directory : fixture_directories()) {
        INFO(directory.filename().string());
        check_in_pieces(directory, directory / "expected.safetensors", 7);
    }
}

}  // namespace gemma
