// gemma trace: one forward pass, or a prompt and its continuation, recorded into a trace file; with edits on the way,
// and what they do to the next token.
#include "gemma/trace/trace.hpp"

#include "gemma/cli/commands.hpp"
#include "gemma/cli/edits.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/cli/prompt.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/trace/editor.hpp"
#include "gemma/trace/effect.hpp"
#include "gemma/trace/first_not_finite.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "viz/console.hpp"
#include "viz/table.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t tokens_shown = 20, likeliest_shown = 5;

constexpr const char* trace_footer =
    R"(The prompt is read in one pass, and the numbers go to disk as they come. Of T tokens, scores and probs have
heads x T x T numbers in each layer: for long prompts leave them out with --names, or keep few rows with --range.
With --generate the tokens that follow are in the record as well; logits are then those of the last prompt token and of
each generated one. gemma view shows a trace as a web page.

--ablate, --patch and --scale edit tensors on the way: what follows is computed from the edited numbers. NAME may have
* and ? as in --names; NAME:1 is head 1 of a tensor that has heads, NAME@3 the rows of token 3, counted from 0. The text
is run without the edits too, and the likeliest next tokens of both runs are printed; --out is then not needed. Patches
act first, then scales, then ablations.

Examples:
  gemma trace --prompt "Once upon a time" --out once.safetensors
  gemma trace --prompt "Once upon a time" --generate 12 --out more.safetensors
  gemma trace --model gemma-2b --tokens 2,4521 --names "model.layers.0.*" lm_head --out layer0.safetensors
  gemma trace --prompt "Once upon a time" --ablate model.layers.0.self_attn.context:1
  gemma trace --prompt "Once upon a time" --scale "model.layers.*.mlp.down_proj=0.5" --generate 12
  gemma trace --prompt "Once upon a day" --patch model.layers.3@4=once.safetensors)";

struct TraceOptions {
    std::string model;
    ComputeOptions compute{"float32"};
    PromptOptions prompt;
    std::vector<std::string> names;
    std::string range;
    std::size_t generate = 0;
    EditOptions edits;
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

// Hands everything on, and keeps the shapes and the first logits: those that follow the prompt.
class Watch : public Observer {
public:
    explicit Watch(Observer* next) : next_(next) {}

    void observe(const std::string& name, const TensorView& tensor) override {
        shapes.try_emplace(name, tensor.shape);
        if (name == "lm_head" && logits.size() == 0) {
            const std::size_t V = tensor.shape.back();
            logits = Vector::from_shape({V});
            std::copy_n(tensor.data + tensor.size() - V, V, logits.begin());
        }
        if (next_ != nullptr) next_->observe(name, tensor);
    }

    std::map<std::string, Shape> shapes;
    Vector logits;

private:
    Observer* next_;
};

// What a run gave: its tensors' shapes, the logits behind the prompt, the tokens that it generated.
struct Outcome {
    std::map<std::string, Shape> shapes;
    Vector logits;
    std::vector<int> generated;
};

// The forward pass over the prompt, with the edits; with --generate, greedily on from there. `next` sees all tensors as
// they are after the edits.
Outcome outcome_of(const TraceOptions& options, const Model& model, const std::vector<int>& prompt,
                   const std::vector<Edit>& edits, Observer* next) {
    Watch watch(next);
    Editor editor(edits, &watch);
    Progress progress(editor, model.config().num_hidden_layers);
    KVCache cache(model.config(), prompt.size() + options.generate, model.precision());
    std::vector<int> generated;
    if (options.generate == 0) {
        model.forward(prompt, cache, Trace(progress));
    } else {
        Sampler greedy{SamplerOptions{}};
        GenerateOptions generation;
        generation.max_tokens = options.generate;
        generated = generate(model, cache, prompt, greedy, generation, {}, Trace(progress)).tokens;
    }
    return {watch.shapes, watch.logits, generated};
}

// A pattern that fits no tensor is a mistake.
void require_matches(const std::vector<std::string>& patterns, const std::vector<std::string>& names) {
    for (const std::string& pattern : patterns) {
        if (std::none_of(names.begin(), names.end(), [&](const std::string& name) { return matches(name, pattern); })) {
            fail("--names: no tensor fits \"{}\", expected a pattern such as \"model.layers.0.*\"", pattern);
        }
    }
}

void print_summary(const std::string& file, std::size_t tensors, const std::vector<int>& tokens,
                   const std::optional<Tokenizer>& tokenizer) {
    fmt::print("file     {}\n", file);
    fmt::print("size     {:.1f} MB\n", static_cast<double>(fs::file_size(file)) / 1e6);
    fmt::print("tensors  {}\n", tensors);
    fmt::print("tokens   {}\n", tokens.size());
    for (std::size_t t = 0; t < std::min(tokens.size(), tokens_shown); ++t) {
        fmt::print("  {:>5}  {:>6}", t, tokens[t]);
        if (tokenizer) fmt::print("  {}", piece_of(tokens[t], tokenizer));
        fmt::print("\n");
    }
    if (tokens.size() > tokens_shown) fmt::print("  ... {} more\n", tokens.size() - tokens_shown);
}

// --- Edits -----------------------------------------------------------------------------------------------------------

// What was edited, as it was asked for: "--ablate model.layers.0.mlp.gated --scale model.norm=0.5".
std::string text_of(const std::vector<AskedEdit>& edits) {
    std::string text;
    for (const AskedEdit& asked : edits) {
        text += fmt::format("{}{} {}", text.empty() ? "" : " ", asked.option, asked.text);
    }
    return text;
}

std::string percent(double probability) { return fmt::format("{:.2f} %", 100 * probability); }

std::string name_of(int token, const std::optional<Tokenizer>& tokenizer) {
    const std::string piece = piece_of(token, tokenizer);
    return piece.empty() ? std::to_string(token) : fmt::format("{} {}", token, piece);
}

void print_effect(const Effect& effect, const std::optional<Tokenizer>& tokenizer) {
    viz::Table table{{"token", "", "clean", "edited", "clean logit", "edited logit"}, {}};
    for (const TokenEffect& token : effect.likeliest) {
        table.rows.push_back({std::to_string(token.token), piece_of(token.token, tokenizer),
                              percent(token.clean_probability), percent(token.edited_probability),
                              fmt::format("{:.3f}", token.clean_logit), fmt::format("{:.3f}", token.edited_logit)});
    }
    const viz::Console console;
    const std::vector<std::string> lines = viz::lines(table);
    for (std::size_t i = 0; i < lines.size(); ++i) fmt::print("  {}\n", i < 2 ? console.dim(lines[i]) : lines[i]);
    const TokenEffect& most = effect.most_changed;
    fmt::print("\nlargest change  the logit of {}: from {:.3f} to {:.3f}\n", name_of(most.token, tokenizer),
               most.clean_logit, most.edited_logit);
    fmt::print("divergence      {:.3g} nats, KL(clean || edited)\n", effect.divergence);
}

void print_text(const char* run, const std::vector<int>& tokens, const std::optional<Tokenizer>& tokenizer) {
    std::string text;
    if (tokenizer) {
        text = viz::printable(tokenizer->decode(tokens));
    } else {
        for (const int token : tokens) text += fmt::format("{}{}", text.empty() ? "" : ",", token);
    }
    fmt::print("{:<14}  {}\n", run, text);
}

// What was edited, what that does to the next token, and to the text that was generated.
void print_effects(const std::vector<AskedEdit>& asked, const std::vector<std::size_t>& tensors, const Effect& effect,
                   const Outcome& clean, const Outcome& edited, const std::optional<Tokenizer>& tokenizer) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
        fmt::print("{} {}: {} tensor{}\n", asked[i].option, asked[i].text, tensors[i], tensors[i] == 1 ? "" : "s");
    }
    fmt::print("\nwhat follows the prompt\n\n");
    print_effect(effect, tokenizer);
    if (clean.generated.empty() && edited.generated.empty()) return;
    print_text("clean text", clean.generated, tokenizer);
    print_text("edited text", edited.generated, tokenizer);
}

// --- The command -----------------------------------------------------------------------------------------------------

void check_generate(const TraceOptions& options, std::size_t prompt_tokens, std::size_t context) {
    if (options.generate <= context - prompt_tokens) return;
    fail("--generate: found {} after a prompt of {} tokens, expected at most {}, the model's context, in all",
         options.generate, prompt_tokens, context);
}

void write(const TraceOptions& options, const TokenRange& range, const Recorder& recorder, const TraceHeader& header) {
    if (range.begin >= header.tokens.size()) {
        fail("--range: found {}, expected a range within the {} tokens: the model ended the text there", options.range,
             header.tokens.size());
    }
    require_matches(options.names, recorder.names());
    write_trace(options.out, recorder, header);
}

// Throws now, not after a long pass, when the trace cannot be written, or would take the place of one that is read.
void check_out(const std::string& out, const std::vector<AskedEdit>& asked) {
    for (const AskedEdit& edit : asked) {
        std::error_code not_there;
        if (!edit.file.empty() && fs::equivalent(out, edit.file, not_there)) {
            fail("--out: {} is read by {} {}, expected another name", out, edit.option, edit.text);
        }
    }
    OutputFile{out};
}

void record(const TraceOptions& options) {
    const std::vector<AskedEdit> asked = parse_edits(options.edits);
    if (options.out.empty() && asked.empty()) {
        fail("found neither --out nor an edit (--ablate, --patch, --scale), expected one of them");
    }
    if (options.out.empty() && (!options.names.empty() || !options.range.empty())) {
        fail("found {} without --out, expected both", options.names.empty() ? "--range" : "--names");
    }
    if (!options.out.empty()) check_out(options.out, asked);
    const fs::path directory = model_directory(options.model);
    const Model model = open_model(directory, options.compute);
    const std::size_t context = model.config().max_position_embeddings;
    const std::vector<int> prompt = prompt_tokens(options.prompt, directory, context);
    check_generate(options, prompt.size(), context);
    const TokenRange range = range_of(options, prompt.size() + options.generate);
    const std::optional<Tokenizer> tokenizer = find_tokenizer(directory);

    std::vector<Edit> edits;
    std::vector<std::size_t> edited_tensors;  // of each that was asked for
    Outcome clean;
    if (!asked.empty()) {
        clean = outcome_of(options, model, prompt, {}, nullptr);
        const EditedRun all{clean.shapes, prompt.size(), prompt.size() + options.generate};
        for (const AskedEdit& one : asked) {
            const std::vector<Edit> of_one = edits_for(one, all);
            edited_tensors.push_back(of_one.size());
            edits.insert(edits.end(), of_one.begin(), of_one.end());
        }
    }

    std::optional<Recorder> recorder;
    if (!options.out.empty()) recorder.emplace(RecorderOptions{options.names, range, options.out});
    FirstNotFinite recorded(recorder ? &*recorder : nullptr);
    const Outcome edited = outcome_of(options, model, prompt, edits, recorder ? &recorded : nullptr);
    std::optional<Effect> effect;  // throws before anything is written, where the edited logits are no numbers
    if (!asked.empty()) effect = effect_of(clean.logits, edited.logits, likeliest_shown);
    if (recorder) {
        TraceHeader header;
        header.prompt = options.prompt.prompt.value_or("");
        header.model = fs::canonical(directory).filename().string();
        header.precision = std::string(to_string(model.precision()));
        header.edits = text_of(asked);
        header.tokens = prompt;
        header.tokens.insert(header.tokens.end(), edited.generated.begin(), edited.generated.end());
        header.prompt_tokens = prompt.size();
        write(options, range, *recorder, header);
        print_summary(options.out, recorder->names().size(), header.tokens, tokenizer);
        if (!recorded.name().empty()) {
            fmt::print(stderr,
                       "warning: {} is the first tensor with NaN or infinity (gemma inspect --check: the weights')\n",
                       recorded.name());
        }
        if (effect) fmt::print("\n");
    }
    if (effect) print_effects(asked, edited_tensors, *effect, clean, edited, tokenizer);
}

}  // namespace

void add_trace(CLI::App& app) {
    CLI::App* command = app.add_subcommand("trace", "Record every tensor of a forward pass into a .safetensors file");
    const auto options = std::make_shared<TraceOptions>();
    add_model_option(*command, options->model);
    add_prompt_options(*command, options->prompt);
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
    add_edit_options(*command, options->edits);
    add_compute_options(*command, options->compute);
    command->add_option("--out", options->out, "The trace file to write")->type_name("FILE.safetensors");
    command->footer(trace_footer);
    command->callback([options] { record(*options); });
}

}  // namespace gemma
