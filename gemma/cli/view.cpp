// gemma view: a trace as one web page that opens from disk.
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/compare.hpp"
#include "gemma/trace/trace_file.hpp"
#include "viz/page.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;

constexpr const char* view_footer =
    R"(The page needs nothing else: script, style and numbers are in it. With the model beside the trace it also shows the
tokens' texts and what each layer would say (the logit lens); the small model is found by itself.

Examples:
  gemma trace --prompt "Once upon a time" --generate 12 --out once.safetensors
  gemma view once.safetensors --out once.html
  gemma view --model gemma-2b ours.safetensors reference.safetensors --out where_they_differ.html)";

struct ViewOptions {
    std::string trace;
    std::string other;
    std::string model;
    std::string out;
};

// Why a trace cannot be of this model; empty when it can.
std::string misfit(const TraceFile& trace, const Config& config) {
    for (const int token : trace.header().tokens) {
        if (static_cast<std::size_t>(token) >= config.vocab_size) {
            return fmt::format("token {} is in the trace, but the vocabulary has {}", token, config.vocab_size);
        }
    }
    for (const std::string& name : trace.names()) {
        const Shape shape = trace.shape(name);
        const bool hidden = name == "model.embed_tokens" || name == "model.norm";
        if (hidden && shape.back() != config.hidden_size) {
            return fmt::format("{} has shape {} in the trace, but the hidden size is {}", name, to_string(shape),
                               config.hidden_size);
        }
    }
    return "";
}

std::optional<Model> find_model(const fs::path& directory, const TraceFile& trace, bool asked_for) {
    if (directory.empty()) return std::nullopt;
    if (!asked_for) {  // a small model of the same name that is another one is of no use
        try {
            if (!misfit(trace, read_config(directory / "config.json")).empty()) return std::nullopt;
        } catch (const Error&) {
            return std::nullopt;
        }
    }
    Model model(directory);
    if (const std::string reason = misfit(trace, model.config()); !reason.empty()) {
        fail("--model {}: {}, expected the model of {}", directory.string(), reason, trace.path().string());
    }
    return model;
}

// What the page is called: the prompt, or the file.
std::string title_of(const TraceFile& trace) {
    constexpr std::size_t longest = 60;
    std::string text = trace.header().prompt;
    if (text.empty()) return trace.path().filename().string();
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
    if (text.size() <= longest) return text;
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
    return text.substr(0, end) + "…";
}

void view(const ViewOptions& options) {
    const TraceFile trace(options.trace, TraceFile::Accept::any_tensors);
    std::optional<TraceFile> other;
    if (!options.other.empty()) {
        other.emplace(options.other, TraceFile::Accept::any_tensors);
        if (const std::string runs = different_runs(trace, *other); !runs.empty()) {
            fail("{}, {}: {}, expected two traces of the same tokens", options.trace, options.other, runs);
        }
    }
    const bool asked_for = !options.model.empty();
    const fs::path directory = asked_for ? given_directory(options.model) : embedded_model_named(trace.header().model);
    const std::optional<Model> model = find_model(directory, trace, asked_for);
    const std::optional<Tokenizer> tokenizer = model ? find_tokenizer(directory) : std::nullopt;

    viz::Page page;
    page.title = title_of(trace);
    page.record = &trace;
    page.header = trace.header();
    if (other) {
        page.other = &*other;
        page.other_header = other->header();
    }
    if (model) page.model = &*model;
    if (tokenizer) page.tokenizer = &*tokenizer;
    viz::write_page(options.out, page);
    fmt::print("page     {}\n", options.out);
    fmt::print("size     {:.1f} MB\n", static_cast<double>(fs::file_size(options.out)) / 1e6);
    fmt::print("tensors  {}\n", trace.names().size());
    fmt::print("model    {}\n", model ? directory.string() : "none: --model DIR adds the tokens' texts and the lens");
}

}  // namespace

void add_view(CLI::App& app) {
    CLI::App* command = app.add_subcommand("view", "Show a trace as one web page that opens from disk");
    const auto options = std::make_shared<ViewOptions>();
    command->add_option("trace", options->trace, "Trace file, or any .safetensors file of named tensors")
        ->type_name("TRACE.safetensors")
        ->required();
    command->add_option("other", options->other, "Another one of the same tokens, to show where they differ")
        ->type_name("OTHER.safetensors");
    command
        ->add_option("--model", options->model,
                     "Model directory in Hugging Face's layout (default: the\n"
                     "small model where the trace is one of it)")
        ->type_name("DIR");
    command->add_option("--out", options->out, "The page to write")->type_name("FILE.html")->required();
    command->footer(view_footer);
    command->callback([options] { view(*options); });
}

}  // namespace gemma
