// What several subcommands ask for in the same way: which model, how it computes, and which tokens.
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

/// Adds --model DIR, by default the small model that comes with the program.
void add_model_option(CLI::App& command, std::string& model);

/// The directory that --model names; empty stands for the small model that comes with the program.
std::filesystem::path model_directory(const std::string& model);

/// The directory that --model names. Throws an Error where it is none.
std::filesystem::path given_directory(const std::string& model);

/// In which numbers, and on how many threads, a model computes.
struct ComputeOptions {
    std::string precision{};  // "float32", "bfloat16"; empty: bfloat16 where the weights are bfloat16, else float32
    std::size_t threads = 0;  // 0: one for each core
};

/// Adds --precision and --threads; what `options` holds already is the default.
void add_compute_options(CLI::App& command, ComputeOptions& options);

/// Opens a model directory to compute as the options say, and sets the number of threads.
Model open_model(const std::filesystem::path& directory, const ComputeOptions& options);

/// The directory of the model that came with the program and has this name; empty for any other.
std::filesystem::path embedded_model_named(const std::string& name);

/// The tokenizer of a model directory; none where it has no tokenizer.model.
std::optional<Tokenizer> find_tokenizer(const std::filesystem::path& directory);

/// Token ids as options take them: "2,5,7". Throws an Error for anything else.
std::vector<int> parse_tokens(const std::string& text);

/// For an option that is a whole number: CLI11 by itself would read -1 as the largest number there is.
CLI::Validator whole_number(std::size_t least, std::size_t most = std::numeric_limits<std::size_t>::max());

/// For an option that is a count.
CLI::Validator not_negative();

/// For an option that is a number of threads: more of them than any machine has cores would only wait for each other.
CLI::Validator thread_count();

/// For an option that is any number.
CLI::Validator any_number();

/// For an option whose text `read` reads: the Error that it throws is told with the option's name.
CLI::Validator read_by(std::function<void(const std::string& text)> read);

}  // namespace gemma
