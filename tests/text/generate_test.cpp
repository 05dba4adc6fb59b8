#include "gemma/text/generate.hpp"

#include "gemma/error.hpp"
#include "gemma/parallel.hpp"
#include "gemma/precision.hpp"
#include "tests/support/approx.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/threads.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace gemma {
namespace {

const std::vector<int> prompt = {2, 50, 60, 70, 80};

const Model& tiny() {
    static const Model model = tiny_model(tiny_config(), 2);
    return model;
}

// A model whose context is longer than one piece of a long prompt.
const Model& long_tiny() {
    static const Model model = [] {
        Config config = tiny_config();
        config.max_position_embeddings = 1024;
        config.num_hidden_layers = 2;
        return tiny_model(config, 3);
    }();
    return model;
}

GenerateOptions at_most(std::size_t max_tokens, std::vector<int> stop_tokens = {}) {
    GenerateOptions options;
    options.max_tokens = max_tokens;
    options.stop_tokens = std::move(stop_tokens);
    return options;
}

// Generates greedily with a cache of its own.
Generation greedy(const Model& model, const std::vector<int>& start, const GenerateOptions& options) {
    KVCache cache(model.config(), model.config().max_position_embeddings);
    Sampler sampler({});
    return generate(model, cache, start, sampler, options);
}

// The independent way: each token from a full pass over all before it, without a cache.
std::vector<int> greedy_without_cache(const Model& model, std::vector<int> tokens, std::size_t count) {
    std::vector<int> generated;
    for (std::size_t i = 0; i < count; ++i) {
        KVCache empty(model.config(), tokens.size());
        const Matrix logits = model.forward(tokens, empty);
        const float* row = &logits(tokens.size() - 1, 0);
        generated.push_back(static_cast<int>(std::max_element(row, row + logits.shape(1)) - row));
        tokens.push_back(generated.back());
    }
    return generated;
}

std::vector<int> joined(std::vector<int> tokens, const std::vector<int>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
}

std::vector<int> first_of(const std::vector<int>& tokens, std::size_t count) {
    return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)};
}

// Where, after the first few, a token comes that did not come before.
std::size_t first_new_after(const std::vector<int>& tokens, std::size_t few) {
    for (std::size_t i = few; i < tokens.size(); ++i) {
        const auto here = tokens.begin() + static_cast<std::ptrdiff_t>(i);
        if (std::find(tokens.begin(), here, *here) == here) return i;
    }
    FAIL("the tokens repeat: choose another seed");
    return 0;
}

// The logits after a token, given a cache: what tells one cache from another.
std::vector<float> logits_after(const Model& model, KVCache& cache, int token) {
    const Matrix logits = model.forward_last({token}, cache);
    return {logits.begin(), logits.end()};
}

void check_close(const std::vector<float>& found, const std::vector<float>& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == doctest::Approx(expected[i]).epsilon(1e-4));
}

TEST_CASE("generate: greedy with a cache is the largest logit of full passes without one") {
    for (const unsigned seed : {1u, 2u, 5u}) {
        const Model model = tiny_model(tiny_config(), seed);
        const Generation generation = greedy(model, prompt, at_most(40));
        CHECK(generation.stop == Stop::max_tokens);
        CHECK(generation.tokens == greedy_without_cache(model, prompt, 40));
    }
}

TEST_CASE("generate: a long prompt read in pieces is the prompt read at once") {
    for (const std::size_t length : {1, 255, 256, 257, 512, 513, 700}) {
        CAPTURE(length);
        std::vector<int> start;
        for (std::size_t i = 0; i < length; ++i) start.push_back(static_cast<int>((7 * i * i + 3 * i) % 120));

        KVCache pieces(long_tiny().config(), 1024), whole(long_tiny().config(), 1024);
        Sampler sampler({});
        Recording seen;
        generate(long_tiny(), pieces, start, sampler, at_most(0), {}, Trace(seen));
        long_tiny().forward_last(start, whole);
        CHECK(pieces.length() == length);
        CHECK(seen.records["model.embed_tokens"].size() == (length + 255) / 256);
        CHECK(seen.records["lm_head"].size() == 1);  // no logits for all but the last piece
        check_close(logits_after(long_tiny(), pieces, 9), logits_after(long_tiny(), whole, 9));
    }
}

TEST_CASE("generate: a stop token ends it, and is neither returned nor shown") {
    const std::vector<int> all = greedy_without_cache(tiny(), prompt, 40);
    const std::size_t at = first_new_after(all, 5);

    KVCache cache(tiny().config(), 64);
    Sampler sampler({});
    std::vector<int> shown;
    const Generation generation = generate(tiny(), cache, prompt, sampler, at_most(40, {118, all[at]}), [&](int token) {
        shown.push_back(token);
        return true;
    });
    CHECK(generation.stop == Stop::stop_token);
    CHECK(generation.tokens == first_of(all, at));
    CHECK(shown == generation.tokens);
    CHECK(cache.length() == prompt.size() + at);
}

TEST_CASE("generate: the first token may be a stop token") {
    const int first = greedy_without_cache(tiny(), prompt, 1).front();
    const Generation generation = greedy(tiny(), prompt, at_most(40, {first}));
    CHECK(generation.stop == Stop::stop_token);
    CHECK(generation.tokens.empty());
}

TEST_CASE("generate: stops at eos and <end_of_turn> if nothing else is said") {
    CHECK(GenerateOptions{}.stop_tokens == std::vector<int>{1, 107});
}

TEST_CASE("generate: at most max_tokens, also none") {
    const std::vector<int> all = greedy_without_cache(tiny(), prompt, 10);
    for (const std::size_t count : {0, 1, 2, 10}) {
        const Generation generation = greedy(tiny(), prompt, at_most(count));
        CHECK(generation.stop == Stop::max_tokens);
        CHECK(generation.tokens == first_of(all, count));
    }
}

TEST_CASE("generate: the context is the model's or the cache's, whichever is less") {
    KVCache large(tiny().config(), 1000), small(tiny().config(), 20);
    CHECK(context_size(tiny(), large) == 64);
    CHECK(context_size(tiny(), small) == 20);
    for (KVCache* cache : {&large, &small}) {
        const std::size_t context = context_size(tiny(), *cache);
        Sampler sampler({});
        const Generation generation = generate(tiny(), *cache, prompt, sampler, at_most(1000));
        CHECK(generation.stop == Stop::context_full);
        CHECK(generation.tokens.size() == context - prompt.size());
        CHECK(cache->length() == context);
    }
}

TEST_CASE("generate: a prompt that fills the context leaves room for nothing") {
    const Generation generation = greedy(tiny(), std::vector<int>(64, 5), at_most(10));
    CHECK(generation.stop == Stop::context_full);
    CHECK(generation.tokens.empty());
}

TEST_CASE("generate: ends when asked to") {
    KVCache cache(tiny().config(), 64);
    Sampler sampler({});
    std::size_t shown = 0;
    const Generation generation =
        generate(tiny(), cache, prompt, sampler, at_most(40), [&](int) { return ++shown < 3; });
    CHECK(generation.stop == Stop::asked);
    CHECK(generation.tokens == greedy_without_cache(tiny(), prompt, 3));
}

TEST_CASE("generate: a conversation goes on where it ended, for whatever reason") {
    const std::vector<int> all = greedy_without_cache(tiny(), prompt, 20), next = {107, 108, 55};
    const std::vector<GenerateOptions> reasons = {at_most(6), at_most(40, {all[first_new_after(all, 5)]}), at_most(0)};
    for (const GenerateOptions& options : reasons) {
        KVCache cache(tiny().config(), 64);
        Sampler sampler({});
        const Generation first = generate(tiny(), cache, prompt, sampler, options);
        const Generation second = generate(tiny(), cache, next, sampler, at_most(10));
        const std::vector<int> so_far = joined(joined(prompt, first.tokens), next);
        CHECK(second.tokens == greedy_without_cache(tiny(), so_far, 10));
    }
}

TEST_CASE("generate: a prompt that does not fit is an error, and the cache is as before") {
    KVCache cache(tiny().config(), 30);
    Sampler sampler({});
    generate(tiny(), cache, prompt, sampler, at_most(20));
    REQUIRE(cache.length() == 25);
    const auto message_for = [&](const std::vector<int>& start) {
        return message_of<Error>([&] { generate(tiny(), cache, start, sampler, at_most(1)); });
    };
    CHECK(message_for(std::vector<int>(6, 5)) == "the prompt has 6 tokens after 25, expected at most 30 in all");
    CHECK(message_for({}) == "the prompt has no tokens, expected at least one");
    CHECK(message_for({5, 120}) == "token 1 is 120, expected 0 to 119");
    CHECK(cache.length() == 25);
}

TEST_CASE("generate: an unknown token in a later piece leaves the cache as before") {
    std::vector<int> start(600, 5);
    start[590] = -1;
    KVCache cache(long_tiny().config(), 1024);
    Sampler sampler({});
    CHECK_THROWS_AS(generate(long_tiny(), cache, start, sampler, at_most(1)), Error);
    CHECK(cache.length() == 0);
}

TEST_CASE("generate: the same seed tells the same story") {
    const auto story = [&](std::uint64_t seed) {
        SamplerOptions options;
        options.temperature = 1.0f;
        options.top_k = 20;
        options.seed = seed;
        KVCache cache(tiny().config(), 64);
        Sampler sampler(options);
        return generate(tiny(), cache, prompt, sampler, at_most(40)).tokens;
    };
    CHECK(story(1) == story(1));
    CHECK(story(1) != story(2));
    CHECK(story(1) != greedy_without_cache(tiny(), prompt, 40));
}

TEST_CASE("generate: the same text with one thread and with two, in both precisions") {
    for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
        const Model model(long_tiny().config(), long_tiny().weights(), precision);
        const auto text = [&](std::size_t count) {
            const Threads use(count);
            SamplerOptions options;
            options.temperature = 1.0f;
            options.seed = 3;
            KVCache cache(model.config(), 1024, precision);
            Sampler sampler(options);
            return generate(model, cache, std::vector<int>(300, 50), sampler, at_most(60)).tokens;
        };
        CHECK(text(1) == text(2));
    }
}

TEST_CASE("generate: a model in bfloat16 with a cache in bfloat16") {
    const Model model(tiny().config(), tiny().weights(), Precision::bfloat16);
    CHECK(model.precision() == Precision::bfloat16);
    KVCache narrow(model.config(), 64, model.precision()), wide(model.config(), 64);
    const Matrix logits = model.forward(prompt, narrow);
    CHECK_CLOSE(rounded(Precision::bfloat16, logits), logits, 0.0);
    CHECK(largest_difference("logits", tiny().forward(prompt, wide), logits).relative > 1e-4);
    // The other way round the cache would lose digits that the model has.
    CHECK(message_of<Error>([&] { tiny().forward(prompt, narrow); }) ==
          "the cache keeps bfloat16 numbers, expected the float32 that the model computes in");
}

TEST_CASE("generate: a trace sees the prompt and then one token at a time") {
    KVCache cache(tiny().config(), 64);
    Sampler sampler({});
    Recording seen;
    const Generation generation = generate(tiny(), cache, prompt, sampler, at_most(3), {}, Trace(seen));
    const std::vector<Recorded>& logits = seen.records["lm_head"];
    REQUIRE(logits.size() == 4);
    CHECK(seen.records["model.layers.1.self_attn.probs"][0].shape == Shape{4, 5, 5});
    CHECK(seen.records["model.layers.1.self_attn.probs"][2].shape == Shape{4, 1, 7});
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& values = logits[i].values;
        CHECK(std::max_element(values.begin(), values.end()) - values.begin() == generation.tokens[i]);
    }
}

TEST_CASE("generate: an observer can steer it") {
    // Forbids every token but one, at every step.
    class Always : public Observer {
    public:
        void observe(const std::string& name, const TensorView& tensor) override {
            if (name == "lm_head") tensor.data[42] = 1000.0f;
        }
    } always;
    KVCache cache(tiny().config(), 64);
    Sampler sampler({});
    CHECK(generate(tiny(), cache, prompt, sampler, at_most(3), {}, Trace(always)).tokens ==
          std::vector<int>{42, 42, 42});
}

}  // namespace
}  // namespace gemma
