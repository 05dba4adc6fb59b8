// gemma bench: how fast a model is on this machine, and how fast it could be.

#include "gemma/bench/bench.hpp"

#include "gemma/bench/machine.hpp"
#include "gemma/bench/random_weights.hpp"
#include "gemma/bench/work.hpp"
#include "gemma/cli/bench_report.hpp"
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/model/parameters.hpp"
#include "gemma/parallel.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace gemma {

namespace {

using bench::BenchOptions;
using bench::BenchResult;

constexpr const char* bench_footer =
    R"(Prefill (reading the prompt) is held against the arithmetic that the CPU can do at most, decoding against a pure read
of the weights, both measured in the same run. A component's time comes from calling it alone, with the model's
weights, in the order of the forward pass; "rest" is what the whole takes beyond their sum.

Several prompt lengths or numbers of threads, with commas between them, give a table of how the cost grows.

Examples:
  gemma bench                                          the small model that comes with the program
  gemma bench --model gemma-2b                         a model directory
  gemma bench --config gemma-2b                        the 2B's shapes, with random weights made in memory
  gemma bench --config gemma-2b --prompt-tokens 128,1024,8128 --threads 1,2)";

struct BenchArguments {
    std::string model;
    std::string config;
    std::vector<std::size_t> prompt_tokens;
    std::vector<std::size_t> threads;
    std::string precision;
    std::size_t tokens = 64;
    std::size_t repeats = 3;
    bool json = false;
};

// A line on a terminal that is written over again and again, and is gone at the end.
class StatusLine {
public:
    void show(const std::string& text) {
        if (!is_terminal_) return;
        fmt::print(stderr, "\r{:78}", text);
        std::fflush(stderr);
    }

    ~StatusLine() {
        if (is_terminal_) fmt::print(stderr, "\r{:78}\r", "");
    }

private:
    bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
};

Precision precision_of(const BenchArguments& options, DType weights) {
    if (options.precision == "float32") return Precision::float32;
    if (options.precision == "bfloat16") return Precision::bfloat16;
    return weights == DType::bfloat16 ? Precision::bfloat16 : Precision::float32;
}

// The default prompt is as long as the model's context lets it be.
std::vector<std::size_t> prompt_lengths(const BenchArguments& options, const Config& config) {
    if (!options.prompt_tokens.empty()) return options.prompt_tokens;
    const std::size_t context = config.max_position_embeddings;
    return {std::min(BenchOptions().prompt_tokens, context - std::min(context - 1, options.tokens))};
}

std::size_t stored_bytes(const Config& config) {
    std::size_t bytes = 0;
    for (const Parameter& parameter : parameters(config)) bytes += parameter.info.bytes();
    return bytes;
}

// Says at once what would fail after a while: lengths over the context, and a model that does not fit in memory, which
// would be measured at the speed of the disk or end the program without a word.
void check(const BenchArguments& options, const std::string& name, const Config& config) {
    const std::vector<std::size_t> lengths = prompt_lengths(options, config);
    for (const std::size_t length : lengths) {
        bench::check_options({length, options.tokens, options.repeats}, config);
    }
    constexpr std::size_t margin = 300'000'000;  // activations and the program itself
    const std::size_t longest = *std::max_element(lengths.begin(), lengths.end()) + options.tokens;
    const std::size_t cache = bench::cache_bytes(config, longest, precision_of(options, config.torch_dtype));
    const std::size_t needed = stored_bytes(config) + cache + margin;
    const std::optional<std::size_t> available = bench::available_memory();
    if (available && *available < needed) {
        fail("{}: found {} of memory available, expected {} for its weights, its cache and 300 MB more", name,
             with_prefix(static_cast<double>(*available), "B"), with_prefix(static_cast<double>(needed), "B"));
    }
}

BenchSubject make_subject(const BenchArguments& options, StatusLine& status) {
    if (options.config.empty()) {
        const std::filesystem::path directory = model_directory(options.model);
        check(options, directory.string(), read_config(directory / "config.json"));
        return {directory.string(), false, open_model(directory, {options.precision, 0})};
    }
    Config config = find_config(options.config);
    config.torch_dtype = DType::bfloat16;
    check(options, options.config, config);
    status.show("making random weights");
    return {options.config, true,
            Model(config, bench::random_weights(config), precision_of(options, config.torch_dtype))};
}

std::vector<BenchResult> measure(const BenchSubject& subject, const BenchArguments& options, StatusLine& status) {
    std::vector<std::size_t> thread_counts = options.threads;
    if (thread_counts.empty()) thread_counts = {threads()};
    std::vector<BenchResult> results;
    for (const std::size_t count : thread_counts) {
        set_threads(count);
        for (const std::size_t length : prompt_lengths(options, subject.model.config())) {
            const std::string run = counted(count, "thread") + ", " + counted(length, "token") + ": ";
            results.push_back(bench::run_bench(subject.model, {length, options.tokens, options.repeats},
                                               [&](const std::string& what) { status.show(run + what); }));
        }
    }
    return results;
}

void run(const BenchArguments& options) {
    const auto [subject, results] = [&] {
        StatusLine status;
        BenchSubject made = make_subject(options, status);
        std::vector<BenchResult> measured = measure(made, options, status);
        return std::pair(std::move(made), std::move(measured));
    }();
    if (options.json) {
        print_bench_json(subject, results);
    } else if (results.size() == 1) {
        print_bench(subject, results.front());
    } else {
        print_bench_growth(subject, results);
    }
}

}  // namespace

void add_bench(CLI::App& app) {
    const auto options = std::make_shared<BenchArguments>();
    CLI::App* const command = app.add_subcommand("bench", "Measure speed and memory beside the machine's limits");
    add_model_option(*command, options->model);
    command
        ->add_option("--config", options->config,
                     "In place of a model: random weights in memory for\ngemma-2b, gemma-7b or a config.json")
        ->check(read_by(find_config))
        ->type_name("CONFIG")
        ->excludes("--model");
    command->add_option("--prompt-tokens", options->prompt_tokens, "Length of the prompt (default: 512, or what fits)")
        ->type_name("N,...")
        ->delimiter(',')
        ->check(not_negative());
    command->add_option("--tokens", options->tokens, "Tokens decoded after it")
        ->type_name("N")
        ->check(not_negative())
        ->capture_default_str();
    command->add_option("--threads", options->threads, "How many threads compute (default: one a core)")
        ->type_name("N,...")
        ->delimiter(',')
        ->check(thread_count());
    command
        ->add_option("--precision", options->precision, "float32 or bfloat16 (default: bfloat16 where the weights are)")
        ->type_name("P")
        ->check(CLI::IsMember({"float32", "bfloat16"}));
    command->add_option("--repeats", options->repeats, "How often all of it is measured")
        ->type_name("N")
        ->check(not_negative())
        ->capture_default_str();
    command->add_flag("--json", options->json, "Write one JSON object, with all that was measured");
    command->footer(bench_footer);
    command->callback([options] { run(*options); });
}

}  // namespace gemma
