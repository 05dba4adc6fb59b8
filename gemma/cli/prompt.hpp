// The tokens that a subcommand runs: a text of --prompt, or the ids of --tokens.
#pragma once

#include "gemma/text/tokenizer.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

struct PromptOptions {
    std::optional<std::string> prompt;
    std::optional<std::string> tokens;
};

/// Adds a text to read, as an argument of its own or behind --prompt; - reads it from standard input.
CLI::Option* add_prompt(CLI::App& command, std::optional<std::string>& prompt, const std::string& help,
                        const std::string& names = "prompt,--prompt");

/// Adds the prompt and --tokens IDS. A command whose first argument is something else takes the prompt as "--prompt".
void add_prompt_options(CLI::App& command, PromptOptions& options, const std::string& names = "prompt,--prompt");

/// The tokens, a prompt's with one bos. Throws an Error where neither was given and when they are over the context.
std::vector<int> prompt_tokens(const PromptOptions& options, const std::filesystem::path& model, std::size_t context);

/// How a token looks, on one line: a line break as \n. Empty without a tokenizer, and for rows of a vocabulary that is
/// padded beyond the tokenizer's.
std::string piece_of(int token, const std::optional<Tokenizer>& tokenizer);

}  // namespace gemma
