// gemma random: writes a model of any size with random weights.

#include "gemma/checkpoint/random.hpp"

#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

namespace gemma {

namespace {

constexpr const char* random_footer = R"(Examples:
  gemma random gemma-2b --out random-2b                    5 GB, as large as the real one
  gemma random gemma-7b --out random-7b --seed 1           17 GB
  gemma random config.json --out small --dtype float32     with the numbers of a config.json

What a random model says has no meaning, but it takes the time and the memory of a real one.)";

struct RandomArguments {
    std::string config;
    std::string directory;
    std::uint64_t seed = 0;
    std::string dtype = "bfloat16";
};

volatile std::sig_atomic_t interrupted = 0;

void interrupt(int) { interrupted = 1; }

// One line on a terminal that is written over again and again, from the first second on.
class ProgressBar {
public:
    void show(std::size_t done, std::size_t total) {
        const auto now = Clock::now();
        if (!is_terminal_ || now < next_) return;
        next_ = now + std::chrono::milliseconds(100);
        constexpr std::size_t width = 40;
        const std::size_t filled =
            static_cast<std::size_t>(static_cast<double>(done) / static_cast<double>(total) * width);
        const double seconds = std::chrono::duration<double>(now - start_).count();
        fmt::print(stderr, "\r[{}{}] {:.1f} of {:.1f} GB, {:.2f} GB/s ", std::string(filled, '#'),
                   std::string(width - filled, '.'), done * 1e-9, total * 1e-9, done * 1e-9 / seconds);
        std::fflush(stderr);
        is_shown_ = true;
    }

    ~ProgressBar() {
        if (is_shown_) fmt::print(stderr, "\r{:78}\r", "");
    }

private:
    using Clock = std::chrono::steady_clock;

    Clock::time_point start_ = Clock::now();
    Clock::time_point next_ = start_ + std::chrono::seconds(1);
    bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool is_shown_ = false;
};

void run(const RandomArguments& options) {
    if (options.config.empty())
        fail("found no config, expected gemma-2b, gemma-7b, a model directory or a config.json");
    const Config config = find_config(options.config);
    // Ctrl-C ends the writing as an error does, so that the unfinished files go.
    std::signal(SIGINT, interrupt);
    std::signal(SIGTERM, interrupt);
    {
        ProgressBar bar;
        write_random_checkpoint(config, options.directory, options.seed, parse_dtype(options.dtype),
                                [&](std::size_t done, std::size_t total) {
                                    if (interrupted != 0) fail("interrupted: {} was not written", options.directory);
                                    bar.show(done, total);
                                });
    }
    fmt::print(
        "wrote {0}: random weights, seed {1}, {2}\n"
        "It has no tokenizer, so it takes token ids: gemma trace --model {0} --tokens 2,5,7 --out trace.safetensors\n",
        options.directory, options.seed, options.dtype);
}

}  // namespace

void add_random(CLI::App& app) {
    const auto options = std::make_shared<RandomArguments>();
    CLI::App* const command = app.add_subcommand("random", "Write a model of any size with random weights");
    command->add_option("config,--config", options->config, "gemma-2b, gemma-7b, a model directory or a config.json")
        ->type_name("CONFIG");
    command->add_option("--out", options->directory, "The directory to write; must be new or empty")
        ->type_name("DIR")
        ->required();
    command->add_option("--seed", options->seed, "The same seed gives the same numbers on every machine")
        ->check(not_negative())
        ->type_name("N")
        ->capture_default_str();
    command->add_option("--dtype", options->dtype, "Number format of the weights: bfloat16, float16, float32")
        ->type_name("DTYPE")
        ->check(CLI::IsMember({"bfloat16", "float16", "float32"}))
        ->capture_default_str();
    command->footer(random_footer);
    command->callback([options] { run(*options); });
}

}  // namespace gemma
