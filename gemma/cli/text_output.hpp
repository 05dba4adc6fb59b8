// What `generate` and `chat` have in common: how tokens are drawn, and text that is written as it comes.
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/text/tokenizer.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace gemma {

/// Adds --max-tokens, and --temperature, --top-k, --top-p and --seed, without which generation is greedy.
void add_generation_options(CLI::App& command, GenerateOptions& generation, SamplerOptions& options);

/// Writes to standard output at once. Throws an Error when it cannot be written.
void write_text(std::string_view text);

/// Generates, and writes the text to standard output as it comes.
Generation write_generation(const Model& model, const Tokenizer& tokenizer, KVCache& cache,
                            const std::vector<int>& prompt, Sampler& sampler, const GenerateOptions& options,
                            const OnToken& on_token = {});

}  // namespace gemma
