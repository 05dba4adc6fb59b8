#include "gemma/cli/text_output.hpp"

#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/text/text_stream.hpp"

#include <cstdio>
#include <string>

namespace gemma {

void add_generation_options(CLI::App& command, GenerateOptions& generation, SamplerOptions& options) {
    command.add_option("--max-tokens", generation.max_tokens, "Write at most N tokens at a time")
        ->type_name("N")
        ->check(not_negative())
        ->capture_default_str();
    command
        .add_option("--temperature", options.temperature,
                    "0: always the likeliest token; 1: as the model's probabilities say; above: bolder")
        ->type_name("X")
        ->check(any_number())
        ->capture_default_str();
    command.add_option("--top-k", options.top_k, "With a temperature: draw from the K likeliest tokens; 0: all")
        ->type_name("K")
        ->check(not_negative())
        ->capture_default_str();
    command
        .add_option("--top-p", options.top_p,
                    "With a temperature: draw from the likeliest tokens that make up this probability; 1: all")
        ->type_name("P")
        ->check(any_number())
        ->capture_default_str();
    command.add_option("--seed", options.seed, "With a temperature: the same seed gives the same text")
        ->type_name("N")
        ->check(not_negative())
        ->capture_default_str();
}

void write_text(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
        fail("standard output cannot be written");
    }
}

Generation write_generation(const Model& model, const Tokenizer& tokenizer, KVCache& cache,
                            const std::vector<int>& prompt, Sampler& sampler, const GenerateOptions& options,
                            const OnToken& on_token) {
    TextStream stream(tokenizer);
    const auto write_token = [&](int token) {
        write_text(stream.add(token));
        return !on_token || on_token(token);
    };
    Generation generation = generate(model, cache, prompt, sampler, options, write_token);
    write_text(stream.finish());
    return generation;
}

}  // namespace gemma
