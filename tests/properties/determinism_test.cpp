// The same input gives the same numbers, to the last bit: from run to run, and with any number of threads.
//
// That holds on one machine with one build. Another processor may have other vector instructions, whose kernels take
// the sums in another order.
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/parallel.hpp"
#include "gemma/text/generate.hpp"
#include "tests/support/random_config.hpp"
#include "tests/support/same_numbers.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/threads.hpp"
#include "tests/support/tiny_model.hpp"
#include "tests/support/tokenizer_fixture.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace gemma;

namespace {

// A text long enough for products of many rows, in several pieces.
std::vector<int> long_prompt(const Model& model, const Tokenizer& tokenizer) {
    std::string text;
    std::vector<int> tokens;
    while (tokens.size() < model.config().max_position_embeddings / 2) {
        text += "Anna gave the ball to Tom. Now the ball belongs to Tom. ";
        tokens = tokenizer.encode_prompt(text);
    }
    return tokens;
}

std::vector<int> sampled(const Model& model, const std::vector<int>& prompt, unsigned seed) {
    KVCache cache(model.config(), model.config().max_position_embeddings, model.precision());
    SamplerOptions sampling;
    sampling.temperature = 1;
    sampling.seed = seed;
    Sampler sampler(sampling);
    GenerateOptions options;
    options.max_tokens = 40;
    options.stop_tokens = {};
    return generate(model, cache, prompt, sampler, options).tokens;
}

std::string printed(const std::string& arguments) {
    const TemporaryDirectory folder;
    const std::string file = (folder.path() / "out").string();
    REQUIRE(std::system(("'" GEMMA_PROGRAM "' " + arguments + " > '" + file + "'").c_str()) == 0);
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("Determinism: the same seed gives the same text with any number of threads, again and again") {
    for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
        CAPTURE(to_string(precision));
        const Model model(embedded_model(), precision);
        const std::vector<int> prompt = long_prompt(model, nano_tokenizer());
        const Threads use(1);
        const std::vector<int> text = sampled(model, prompt, 7);
        CHECK(text == sampled(model, prompt, 7));
        CHECK(text != sampled(model, prompt, 8));
        for (const std::size_t count : {2, 3, 2}) {
            const Threads several(count);
            CHECK(text == sampled(model, prompt, 7));
        }
    }
}

TEST_CASE("Determinism: the same logits to the last bit with any number of threads") {
    for (unsigned seed = 0; seed < 12; ++seed) {
        Dice dice(seed);
        Config config = random_config(dice);
        config.vocab_size = dice.number(300, 3000);
        config.hidden_size = dice.number(50, 400);
        config.intermediate_size = dice.number(50, 1000);
        const Model model = tiny_model(config, seed);
        const std::vector<int> tokens = dice.tokens(dice.number(1, 60), config);
        const auto logits = [&](std::size_t count, Precision precision) {
            const Threads use(count);
            const Model same(config, model.weights(), precision);
            KVCache cache(config, tokens.size() + 1, precision);
            same.read(tokens, cache);
            return same.forward_last({tokens.front()}, cache);
        };
        for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
            INFO("seed ", seed, ", ", to_string(precision), ", ", tokens.size(), " tokens");
            const Matrix alone = logits(1, precision);
            for (const std::size_t count : {2, 3, 8}) CHECK(same_numbers(logits(count, precision), alone));
        }
    }
}

TEST_CASE("Determinism: the program prints the same again, with one thread and with two") {
    const std::string generate = "generate --prompt 'Once upon a time' --max-tokens 60 --temperature 1 --seed ";
    const std::string text = printed(generate + "7");
    CHECK(text.size() > 50);
    CHECK(printed(generate + "7") == text);
    CHECK(printed(generate + "7 --threads 1") == text);
    CHECK(printed(generate + "7 --threads 2") == text);
    CHECK(printed(generate + "8") != text);
}
