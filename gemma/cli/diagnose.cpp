// gemma diagnose: which known mistake makes our forward pass give the numbers of another program's trace, or its text?
#include "gemma/diagnose/diagnose.hpp"

#include "gemma/cli/commands.hpp"
#include "gemma/cli/json_output.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/cli/prompt.hpp"
#include "gemma/error.hpp"
#include "gemma/trace/foreign_trace.hpp"
#include "gemma/trace/sizes.hpp"
#include "viz/console.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t rows_shown = 5;  // of the table
constexpr double large_model = 1e8;    // parameters; of a larger one a pass takes seconds
constexpr std::size_t pairs_of_large_model = 3;

constexpr const char* diagnose_footer =
    R"(OTHER is a trace of the same text by another program, with as many or as few tensors as it has; the more, the closer
to the fault the search begins. Where it has no tokens, --tokens or --prompt says what was run. With --text there need
be no trace: the model and its mistakes are ranked by how many tokens of the text that the program wrote greedily are
the likeliest up to the first that is not, then by the text's probability.
Exit code: 0 no mistake, 1 a difference, known or not, 2 bad input.

Examples:
  gemma diagnose theirs.safetensors
  gemma diagnose theirs.safetensors --model gemma-2b --prompt "Once upon a time"
  gemma diagnose --prompt "Once upon a time" --text ", Zoe. Zoe had a little puppy"
  gemma diagnose --list)";

struct DiagnoseArguments {
    std::string other;
    std::string model;
    PromptOptions prompt;
    std::string names;
    std::string layout = "auto";
    std::optional<std::string> text;
    std::optional<std::string> text_tokens;
    std::optional<std::size_t> pairs;
    bool json = false;
    bool list = false;
};

// Says on a terminal, from the first second on, which pass is running.
class Progress {
public:
    ~Progress() {
        if (shown_) fmt::print(stderr, "\r\033[K");
    }

    void operator()(std::size_t passes, const std::vector<std::string>& mistakes) {
        if (!terminal_ || std::chrono::steady_clock::now() - start_ < std::chrono::seconds(1)) return;
        fmt::print(stderr, "\r\033[Kpass {}: {}", passes + 1, fmt::join(mistakes, " + "));
        std::fflush(stderr);
        shown_ = true;
    }

private:
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    bool shown_ = false;
};

DiagnoseOptions search_options(const DiagnoseArguments& options, const Config& config,
                               const std::shared_ptr<Progress>& progress) {
    DiagnoseOptions search;
    double parameters = static_cast<double>(config.vocab_size * config.hidden_size);
    parameters += 3.0 * static_cast<double>(config.num_hidden_layers * config.hidden_size * config.intermediate_size);
    if (parameters > large_model) search.pairs = pairs_of_large_model;
    if (options.pairs) search.pairs = *options.pairs;
    search.progress = [progress](std::size_t passes, const std::vector<std::string>& m) { (*progress)(passes, m); };
    return search;
}

std::string joined(const std::vector<std::string>& mistakes) {
    return mistakes.empty() ? "no mistake" : fmt::format("{}", fmt::join(mistakes, " + "));
}

// ---- a trace --------------------------------------------------------------------------------------------------------

// What the program should have run: exactly one bos at the start.
std::vector<int> with_one_bos(std::vector<int> tokens, int bos) {
    const auto others = std::find_if(tokens.begin(), tokens.end(), [bos](int token) { return token != bos; });
    const auto count = others - tokens.begin();
    if (count == 0) tokens.insert(tokens.begin(), bos);
    if (count == 2) tokens.erase(tokens.begin());
    return tokens;
}

std::vector<int> right_tokens(const DiagnoseArguments& options, const fs::path& directory, const Config& config,
                              const std::vector<int>& found) {
    if (options.prompt.tokens || options.prompt.prompt) {
        return prompt_tokens(options.prompt, directory, config.max_position_embeddings);
    }
    if (found.empty()) fail("{}: found no tokens, expected them there or as --tokens or --prompt", options.other);
    return with_one_bos(found, config.bos_token_id);
}

std::string tensors(std::size_t count) { return fmt::format("{} tensor{}", count, count == 1 ? "" : "s"); }

// 2.1e-07, and "-" for what cannot be compared.
std::string number(double value) { return std::isfinite(value) ? fmt::format("{:.1e}", value) : "-"; }

void print_table(const Diagnosis& diagnosis) {
    const std::string divergence = diagnosis.clean.first;
    std::vector<Attempt> rows;
    for (const Attempt& attempt : diagnosis.attempts) {
        const bool closer = attempt.at_divergence < 0.99 * diagnosis.clean.at_divergence;
        if (closer || attempt.agreeing > diagnosis.clean.agreeing) rows.push_back(attempt);
    }
    const std::size_t explanations = diagnosis.explanations().size();
    rows.resize(std::min(rows.size(), std::max(explanations, rows_shown)));
    rows.push_back(diagnosis.clean);
    std::size_t width = 10;
    for (const Attempt& row : rows) width = std::max(width, joined(row.mistakes).size());
    fmt::print("{:<{}}  {:>10}  {}\n", "with", width, "difference", "then differs first in");
    for (const Attempt& row : rows) {
        const std::string then = row.explains() ? viz::Console().green("nothing: explains the whole trace") : row.first;
        fmt::print("{:<{}}  {:>10}  {}\n", joined(row.mistakes), width, number(row.at_divergence), then);
    }
    fmt::print("\ndifference: relative, in {}\n\n", divergence);
}

void print_explanation(const Attempt& attempt, const Diagnosis& diagnosis) {
    const bool by_tokens = diagnosis.clean.first.empty();
    fmt::print("{}\n", viz::Console().bold("diagnosis: " + joined(attempt.mistakes)));
    for (const std::string& name : attempt.mistakes) {
        const Mistake& mistake = find_mistake(name);
        fmt::print("  {:<{}}  {}\n", name, 20, mistake.what);
        fmt::print("  {:<{}}  known from: {}\n", "", 20, mistake.source);
    }
    if (by_tokens) return;
    fmt::print("matches {} in {} to {} (clean: {}), and the whole trace, {}\n", joined(attempt.mistakes),
               diagnosis.clean.first, number(attempt.at_divergence), number(diagnosis.clean.at_divergence),
               tensors(attempt.agreeing));
}

void print_ties(const std::vector<Attempt>& explanations) {
    if (explanations.size() < 2) return;
    fmt::print("cannot be told apart from it by this trace:\n");
    for (std::size_t i = 1; i < explanations.size(); ++i) {
        fmt::print("  {:<{}}  {}\n", joined(explanations[i].mistakes), 20,
                   explanations[i].mistakes.size() == 1 ? find_mistake(explanations[i].mistakes[0]).what : "");
    }
}

void print_unknown(const Diagnosis& diagnosis) {
    fmt::print("{}\n", viz::Console().red("none of the known mistakes explains it"));
    const Attempt& closest = diagnosis.attempts.front();
    if (closest.agreeing > diagnosis.clean.agreeing) {
        fmt::print("{} explains the first divergence, but not {}\n", joined(closest.mistakes), closest.first);
    }
    if (diagnosis.factor) {
        fmt::print("hint: the trace's {} is {:.6g} times ours, each number\n", diagnosis.clean.first,
                   *diagnosis.factor);
    } else if (diagnosis.reordered) {
        fmt::print("hint: the trace's {} has our numbers in another order\n", diagnosis.clean.first);
    }
}

void print_divergence(const Diagnosis& diagnosis) {
    const TensorComparison& tensor = diagnosis.comparison.tensors[*diagnosis.verdict.first];
    std::string where = tensor.name;
    if (tensor.match == Match::other_shape) {
        where +=
            fmt::format(": shape {} here, {} there", to_string(tensor.reference_shape), to_string(tensor.other_shape));
    } else {
        where += fmt::format(", at {}: {} here, {} there", to_string(tensor.index), tensor.reference_number,
                             tensor.other_number);
    }
    fmt::print("{}\n", viz::Console().red("first to diverge: " + where));
    fmt::print("{}\n\n", explain(diagnosis.comparison, diagnosis.verdict));
}

void print(const Diagnosis& diagnosis) {
    const std::vector<Attempt> explanations = diagnosis.explanations();
    if (!diagnosis.verdict.same()) {
        print_divergence(diagnosis);
        print_table(diagnosis);
    }
    if (!explanations.empty()) {
        print_explanation(explanations.front(), diagnosis);
        print_ties(explanations);
    } else if (!diagnosis.verdict.same()) {
        print_unknown(diagnosis);
    } else {
        fmt::print("{}\n", viz::Console().green("no mistake: " + explain(diagnosis.comparison, diagnosis.verdict)));
    }
}

// JSON has no infinity.
json to_json(const Attempt& attempt) {
    return {{"mistakes", attempt.mistakes},
            {"explains", attempt.explains()},
            {"differs_first_in", attempt.first.empty() ? json(nullptr) : json(attempt.first)},
            {"agreeing", attempt.agreeing},
            {"at_divergence", json_number(attempt.at_divergence)}};
}

void print_json(const Diagnosis& diagnosis) {
    const std::vector<Attempt> explanations = diagnosis.explanations();
    const bool clean = diagnosis.verdict.same() && explanations.empty();
    json attempts = json::array();
    for (const Attempt& attempt : diagnosis.attempts) attempts.push_back(to_json(attempt));
    const json report = {{"verdict", clean                  ? "clean"
                                     : explanations.empty() ? "unknown"
                                                            : "known"},
                         {"precision", to_string(diagnosis.verdict.precision)},
                         {"clean", to_json(diagnosis.clean)},
                         {"attempts", attempts},
                         {"passes", diagnosis.passes}};
    fmt::print("{}\n", report.dump(2));
}

void diagnose_trace(const DiagnoseArguments& options) {
    const fs::path directory = model_directory(options.model);
    const Config config = read_config(directory / "config.json");
    const ForeignTrace trace(options.other, sizes_of(config), {options.names, parse_layout(options.layout)});
    const DType precision = precision_of(trace, trace.header().precision);
    const std::vector<int>& found = trace.header().tokens;
    const std::vector<int> tokens = right_tokens(options, directory, config, found);
    const Model model(directory, precision == DType::bfloat16 ? Precision::bfloat16 : Precision::float32);
    const auto progress = std::make_shared<Progress>();
    Diagnosis diagnosis;
    try {
        diagnosis = diagnose(model, tokens, {trace, found, precision}, search_options(options, config, progress));
    } catch (const Error& error) {
        fail("{}: {}", options.other, error.what());
    }
    if (options.json) {
        print_json(diagnosis);
    } else {
        fmt::print("model  {} ({})\n", fs::canonical(directory).filename().string(), to_string(model.precision()));
        fmt::print("trace  {}: {}, {}, {}\n", options.other, tensors(diagnosis.comparison.tensors.size()),
                   trace.convention(), to_string(precision));
        for (const LeftOut& tensor : trace.left_out()) fmt::print("  left out: {}: {}\n", tensor.name, tensor.reason);
        fmt::print("\n");
        print(diagnosis);
    }
    if (!diagnosis.verdict.same() || !diagnosis.explanations().empty()) throw CLI::RuntimeError(exit_code_different);
}

// ---- a text ---------------------------------------------------------------------------------------------------------

// The tokens of prompt and text, and how many are the prompt's.
std::pair<std::vector<int>, std::size_t> prompt_and_text(const DiagnoseArguments& options, const fs::path& directory,
                                                         std::size_t context) {
    std::vector<int> tokens = prompt_tokens(options.prompt, directory, context);
    const std::size_t prompt = tokens.size();
    if (options.text_tokens) {
        const std::vector<int> text = parse_tokens(*options.text_tokens);
        tokens.insert(tokens.end(), text.begin(), text.end());
        return {tokens, prompt};
    }
    const Tokenizer tokenizer(directory / "tokenizer.model");
    if (!options.prompt.prompt) {
        const std::vector<int> text = tokenizer.encode(*options.text);
        tokens.insert(tokens.end(), text.begin(), text.end());
        return {tokens, prompt};
    }
    // A piece may reach over the end of the prompt: what counts is the tokens that both share.
    const std::vector<int> both = tokenizer.encode_prompt(*options.prompt.prompt + *options.text);
    const auto shared = std::mismatch(tokens.begin(), tokens.end(), both.begin(), both.end()).first - tokens.begin();
    return {both, static_cast<std::size_t>(shared)};
}

void print_text(const std::vector<TextAttempt>& attempts, std::size_t said) {
    const std::string clean = "no mistake";
    std::size_t width = clean.size();
    for (const TextAttempt& attempt : attempts) width = std::max(width, joined(attempt.mistakes).size());
    fmt::print("{:<{}}  {:>10}  {:>15}  {}\n", "with", width, "likeliest", "log probability", "first other token");
    std::size_t row = 0;
    for (const TextAttempt& attempt : attempts) {
        if (row++ >= 3 * rows_shown && !attempt.mistakes.empty()) continue;
        fmt::print("{:<{}}  {:>4} of {:>2}  {:>15.2f}  {}\n", joined(attempt.mistakes), width, attempt.likeliest, said,
                   attempt.log_probability, attempt.first ? std::to_string(*attempt.first) : "none");
    }
}

// What the ranking comes to.
std::string verdict_of(const std::vector<TextAttempt>& attempts) {
    const TextAttempt& closest = attempts.front();
    if (closest.mistakes.empty() && !closest.first) {
        return viz::Console().green("no mistake needed: the model says this text");
    }
    if (closest.first == 0) {
        return viz::Console().red(
            "nothing found: neither the model nor any of the mistakes begins the text with its first token");
    }
    return viz::Console().bold("closest: " + joined(closest.mistakes));
}

// The text as the clean pass says it; nothing when it is not among them.
const TextAttempt& clean_of(const std::vector<TextAttempt>& attempts) {
    return *std::find_if(attempts.begin(), attempts.end(), [](const TextAttempt& a) { return a.mistakes.empty(); });
}

void print_text_json(const std::vector<TextAttempt>& attempts, std::size_t said) {
    json list = json::array();
    for (const TextAttempt& attempt : attempts) {
        list.push_back({{"mistakes", attempt.mistakes},
                        {"likeliest", attempt.likeliest},
                        {"log_probability", json_number(attempt.log_probability)},
                        {"first_other_token", attempt.first ? json(*attempt.first) : json(nullptr)}});
    }
    fmt::print("{}\n", json{{"tokens", said}, {"attempts", list}}.dump(2));
}

void diagnose_text(const DiagnoseArguments& options) {
    const fs::path directory = model_directory(options.model);
    const Model model(directory);
    const auto [tokens, prompt] = prompt_and_text(options, directory, model.config().max_position_embeddings);
    const std::size_t said = tokens.size() - prompt;
    const auto progress = std::make_shared<Progress>();
    const std::vector<TextAttempt> attempts =
        diagnose_text(model, tokens, prompt, search_options(options, model.config(), progress));
    const bool is_clean = !clean_of(attempts).first;
    if (options.json) {
        print_text_json(attempts, said);
    } else {
        fmt::print("text   {} tokens after a prompt of {}\n\n", said, prompt);
        print_text(attempts, said);
        fmt::print("\n{}\n", verdict_of(attempts));
    }
    if (!is_clean) throw CLI::RuntimeError(exit_code_different);
}

// ---- the list -------------------------------------------------------------------------------------------------------

void list_mistakes(bool as_json) {
    if (as_json) {
        json list = json::array();
        for (const Mistake& mistake : known_mistakes()) {
            list.push_back({{"name", mistake.name},
                            {"what", mistake.what},
                            {"shows_at", mistake.shows_at},
                            {"source", mistake.source}});
        }
        fmt::print("{}\n", list.dump(2));
        return;
    }
    for (const Mistake& mistake : known_mistakes()) {
        fmt::print("{:<26} {}\n{:<26} first in {}; {}\n", mistake.name, mistake.what, "", mistake.shows_at,
                   mistake.source);
    }
}

void run(const DiagnoseArguments& options) {
    const bool text = options.text || options.text_tokens;
    if (options.list) return list_mistakes(options.json);
    if (options.other.empty() == !text) fail("expected either a trace file or --text");
    return text ? diagnose_text(options) : diagnose_trace(options);
}

}  // namespace

void add_diagnose(CLI::App& app) {
    CLI::App* command = app.add_subcommand("diagnose", "Name the mistake that makes another program's trace differ");
    const auto options = std::make_shared<DiagnoseArguments>();
    command->add_option("other", options->other, "Trace of the same text by another program")->type_name("OTHER");
    add_model_option(*command, options->model);
    add_prompt_options(*command, options->prompt, "--prompt");
    command->add_option("--text", options->text, "What the program wrote greedily after the prompt")->type_name("TEXT");
    command->add_option("--text-tokens", options->text_tokens, "The same as token ids, such as 2,5,7")
        ->check(read_by(parse_tokens))
        ->type_name("IDS");
    command
        ->add_option("--pairs", options->pairs,
                     "Where no single mistake explains the first divergence: try pairs\n"
                     "with the N that come closest (default: all; of models with over\n"
                     "100 million parameters, 3)")
        ->check(not_negative())
        ->type_name("N");
    command->add_option("--names", options->names, "JSON of {\"their name\": \"our name\"} for the tensors of OTHER")
        ->type_name("FILE.json");
    command
        ->add_option("--layout", options->layout,
                     "Which axis comes first in OTHER where shapes do not tell:\n"
                     "auto, tokens-first, heads-first, ggml")
        ->check(read_by(parse_layout))
        ->type_name("L")
        ->capture_default_str();
    command->add_flag("--json", options->json, "Write JSON");
    command->add_flag("--list", options->list, "List the known mistakes");
    command->footer(diagnose_footer);
    command->callback([options] { run(*options); });
}

}  // namespace gemma
