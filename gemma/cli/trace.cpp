// gemma trace: one forward pass, or a prompt and its continuation, recorded into a trace file.
#include "gemma/trace/trace.hpp"

#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "viz/console.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t tokens_shown = 20;

constexpr const char* footer =
    R"(The prompt is read in one pass, and the numbers go to disk as they come. Of T tokens, scores and probs have
heads x T x T numbers in each layer: for long prompts leave them out with --names, or keep few rows with --range.
With --generate the tokens that follow are in the record as well; logits are then those of the last prompt token and of
each generated one. gemma view shows a trace as a web page.

Examples:
  gemma trace --prompt "Once upon a time" --out once.safetensors
  gemma trace --prompt "Once upon a time" --generate 12 --out more.safetensors
  gemma trace --model gemma-2b --tokens 2,4521 --names "model.layers.0.*" lm_head --out layer0.safetensors)";

struct TraceOptions {
    std::string model;
    std::optional<std::string> prompt;
    std::optional<std::string> tokens;
    std::vector<std::string> names;
    std::string range;
    std::size_t generate = 0;
    std::string out;
};

// Hands everything on, and says on a terminal how far the pass has come once it takes over a second.
class Progress : public Observer {
public:
    Progress(Observer& next, std::size_t layers) : next_(next), layers_(layers) {}

    ~Progress() override {
        if (shown_) fmt::print(stderr, "\r\033[K");
    }

    void observe(const std::string& name, const TensorView& tensor) override {
        next_.observe(name, tensor);
        if (!terminal_ || name.rfind("model.layers.", 0) != 0) return;
        if (std::chrono::steady_clock::now() - start_ < std::chrono::seconds(1)) return;
        const std::size_t layer = std::get<1>(forward_order(name));
        if (shown_ && layer == layer_) return;
        fmt::print(stderr, "\rlayer {} of {}", layer + 1, layers_);
        layer_ = layer;
        shown_ = true;
    }

private:
    Observer& next_;
    std::size_t layers_;
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::size_t layer_ = 0;
    bool shown_ = false;
};

std::vector<int> tokens_of(const TraceOptions& options, const fs::path& model) {
    if (options.tokens) return parse_tokens(*options.tokens);
    if (options.prompt) return Tokenizer(model / "tokenizer.model").encode_prompt(*options.prompt);
    fail("found neither --prompt nor --tokens, expected one of them");
}

// `tokens` is how many there may be, the generated ones included.
TokenRange range_of(const TraceOptions& options, std::size_t tokens) {
    if (options.range.empty()) return {};
    try {
        const TokenRange range = parse_token_range(options.range);
        if (range.end <= tokens) return range;
    } catch (const Error& error) {
        fail("--range: {}", error.what());
    }
    fail("--range: found {}, expected a range within the {} tokens", options.range, tokens);
}

// The forward pass over the tokens; with --generate, greedily on from there, and the new tokens are added.
void run(const TraceOptions& options, const Model& model, std::vector<int>& tokens, Observer& observer) {
    KVCache cache(model.config(), tokens.size() + options.generate);
    if (options.generate == 0) {
        model.forward(tokens, cache, Trace(observer));
        return;
    }
    Sampler greedy{SamplerOptions{}};
    GenerateOptions generation;
    generation.max_tokens = options.generate;
    const std::vector<int> generated = generate(model, cache, tokens, greedy, generation, {}, Trace(observer)).tokens;
    tokens.insert(tokens.end(), generated.begin(), generated.end());
}

// A pattern that fits no tensor is a mistake.
void require_matches(const std::vector<std::string>& patterns, const std::vector<std::string>& names) {
    for (const std::string& pattern : patterns) {
        if (std::none_of(names.begin(), names.end(), [&](const std::string& name) { return matches(name, pattern); })) {
            fail("--names: no tensor fits \"{}\", expected a pattern such as \"model.layers.0.*\"", pattern);
        }
    }
}

// How a token looks, on one line: a line break as \n. Empty without a tokenizer, and for rows of a vocabulary that is
// padded beyond the tokenizer's.
std::string piece_of(int token, const std::optional<Tokenizer>& tokenizer) {
    if (!tokenizer || static_cast<std::size_t>(token) >= tokenizer->vocab_size()) return "";
    return viz::printable(tokenizer->piece(token));
}

void print_summary(const std::string& file, std::size_t tensors, const std::vector<int>& tokens,
                   const std::optional<Tokenizer>& tokenizer) {
    fmt::print("file     {}\n", file);
    fmt::print("size     {:.1f} MB\n", static_cast<double>(fs::file_size(file)) / 1e6);
    fmt::print("tensors  {}\n", tensors);
    fmt::print("tokens   {}\n", tokens.size());
    for (std::size_t t = 0; t < std::min(tokens.size(), tokens_shown); ++t) {
        fmt::print("  {:>5}  {:>6}  {}\n", t, tokens[t], piece_of(tokens[t], tokenizer));
    }
    if (tokens.size() > tokens_shown) fmt::print("  ... {} more\n", tokens.size() - tokens_shown);
}

void record(const TraceOptions& options) {
    OutputFile(options.out);  // throws now, not after a long pass, when it cannot be written
    const fs::path directory = model_directory(options.model);
    const Model model(directory);
    std::vector<int> tokens = tokens_of(options, directory);
    const std::size_t prompt_tokens = tokens.size(), context = model.config().max_position_embeddings;
    const TokenRange range = range_of(options, prompt_tokens + options.generate);
    if (prompt_tokens > context) {
        fail("{}: found {} tokens, expected at most {}, the model's context", options.tokens ? "--tokens" : "--prompt",
             prompt_tokens, context);
    }
    if (options.generate > context - prompt_tokens) {
        fail("--generate: found {} after a prompt of {} tokens, expected at most {}, the model's context, in all",
             options.generate, prompt_tokens, context);
    }

    Recorder recorder({options.names, range, options.out});
    {
        Progress progress(recorder, model.config().num_hidden_layers);
        run(options, model, tokens, progress);
    }
    if (range.begin >= tokens.size()) {
        fail("--range: found {}, expected a range within the {} tokens: the model ended the text there", options.range,
             tokens.size());
    }
    const std::vector<std::string> names = recorder.names();
    require_matches(options.names, names);

    TraceHeader header;
    header.prompt = options.prompt.value_or("");
    header.model = fs::canonical(directory).filename().string();
    header.tokens = tokens;
    header.prompt_tokens = prompt_tokens;
    write_trace(options.out, recorder, header);
    print_summary(options.out, names.size(), tokens, find_tokenizer(directory));
}

}  // namespace

void add_trace(CLI::App& app) {
    CLI::App* command = app.add_subcommand("trace", "Record every tensor of a forward pass into a .safetensors file");
    const auto options = std::make_shared<TraceOptions>();
    add_model_option(*command, options->model);
    CLI::Option* input = command->add_option("--prompt", options->prompt, "Text; one bos is put before it");
    command->add_option("--tokens", options->tokens, "Token ids in its place, such as 2,5,7")
        ->type_name("IDS")
        ->excludes(input);
    command
        ->add_option("--names", options->names,
                     "Which tensors: names in which * stands for any text\n"
                     "and ? for any one character (default: all)")
        ->type_name("PATTERN");
    command->add_option("--range", options->range, "Which tokens' rows: a:b for tokens a to b - 1 (default: all)")
        ->type_name("a:b");
    command->add_option("--generate", options->generate, "Go on greedily for N tokens, with the trace on")
        ->check(not_negative())
        ->type_name("N");
    command->add_option("--out", options->out, "The trace file to write")->type_name("FILE.safetensors")->required();
    command->footer(footer);
    command->callback([options] { record(*options); });
}

}  // namespace gemma
