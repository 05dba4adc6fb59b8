// gemma generate: continues a text.
#include "gemma/text/generate.hpp"
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/cli/prompt.hpp"
#include "gemma/cli/text_output.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"
#include "viz/console.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

namespace {

constexpr const char* generate_footer =
    R"(The prompt is written first, then its continuation as it comes. The text ends where the model ends it, after
--max-tokens, or when the context is full.

Examples:
  gemma generate "Once upon a time"
  gemma generate --temperature 0.8 --top-p 0.95 --seed 7 "It was a snowy day."
  gemma generate --model gemma-2b --max-tokens 64 --prompt "The capital of France is"
  gemma generate - < beginning.txt)";

struct GenerateArguments {
    std::string model;
    std::optional<std::string> prompt;
    ComputeOptions computing;
    GenerateOptions generation;
    SamplerOptions sampling;
};

std::vector<int> prompt_tokens(const Tokenizer& tokenizer, const std::string& text, std::size_t context) {
    try {
        const std::vector<int> tokens = tokenizer.encode_prompt(text);
        if (tokens.size() <= context) return tokens;
        fail("found {} tokens, expected at most {}, the model's context", tokens.size(), context);
    } catch (const Error& error) {
        fail("--prompt: {}", error.what());
    }
}

// On a terminal the prompt is dim, so that one sees where the model goes on.
void write_prompt(const std::string& text) { write_text(viz::Console().dim(text)); }

std::string_view reason(Stop stop) {
    switch (stop) {
        case Stop::stop_token: return "the text is at its end";
        case Stop::max_tokens: return "stopped by --max-tokens";
        case Stop::context_full: return "the context is full";
        case Stop::asked: return "stopped";
    }
    return "";
}

// When the prompt was given, when the first token came, and now.
class Stopwatch {
public:
    void token() {
        if (tokens_++ == 0) first_ = Clock::now();
    }

    // The prompt's part and the tokens' part are timed apart: they are different work.
    void report(std::size_t prompt_tokens, Stop stop) const {
        if (::isatty(STDERR_FILENO) != 1) return;
        fmt::print(stderr, "[{} tokens read", prompt_tokens);
        if (tokens_ > 0) {
            fmt::print(stderr, " in {:.2f} s, {} written at {:.1f} tokens/s", seconds(start_, first_), tokens_,
                       static_cast<double>(tokens_) / seconds(first_, Clock::now()));
        }
        fmt::print(stderr, "; {}]\n", reason(stop));
    }

private:
    using Clock = std::chrono::steady_clock;

    static double seconds(Clock::time_point from, Clock::time_point to) {
        return std::chrono::duration<double>(to - from).count();
    }

    Clock::time_point start_ = Clock::now();
    Clock::time_point first_ = start_;
    std::size_t tokens_ = 0;
};

void run(const GenerateArguments& options) {
    if (!options.prompt) fail("found no prompt, expected a text to continue, such as \"Once upon a time\"");
    const std::filesystem::path directory = model_directory(options.model);
    Sampler sampler(options.sampling);
    const Tokenizer tokenizer(directory / "tokenizer.model");
    const Model model = open_model(directory, options.computing);
    KVCache cache(model.config(), model.config().max_position_embeddings, model.precision());
    const std::vector<int> prompt = prompt_tokens(tokenizer, *options.prompt, context_size(model, cache));

    write_prompt(*options.prompt);
    Stopwatch stopwatch;
    const Generation generation =
        write_generation(model, tokenizer, cache, prompt, sampler, options.generation, [&](int) {
            stopwatch.token();
            return true;
        });
    write_text("\n");
    stopwatch.report(prompt.size(), generation.stop);
}

}  // namespace

void add_generate(CLI::App& app) {
    CLI::App* const command = app.add_subcommand("generate", "Continue a text");
    const auto options = std::make_shared<GenerateArguments>();
    add_model_option(*command, options->model);
    add_prompt(*command, options->prompt, "The text to continue");
    add_generation_options(*command, options->generation, options->sampling);
    add_compute_options(*command, options->computing);
    command->footer(generate_footer);
    command->callback([options] { run(*options); });
}

}  // namespace gemma
