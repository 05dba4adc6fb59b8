// gemma compare: two traces of any programs, tensor by tensor, the first place where they part, and what that says.
#include "gemma/trace/compare.hpp"

#include "gemma/cli/commands.hpp"
#include "gemma/cli/json_output.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/model/config.hpp"
#include "gemma/trace/foreign_trace.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/verdict.hpp"
#include "viz/console.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

namespace {

constexpr std::size_t rows_after_divergence = 5;  // shown without --all
constexpr std::size_t left_out_shown = 8;         // without --all

constexpr const char* compare_footer =
    R"(A and B are .safetensors or .npz files or directories of .npy files, with the names of this program, of Hugging
Face, gemma_pytorch, TransformerLens or llama.cpp: gemma/trace/README.md tells which, and how to write one.
Tensors that only one file has do not make the two different: a part of a run can be compared with all of it.
Exit code: 0 the same, or the same but for rounding noise; 1 different; 2 bad input.

Examples:
  gemma compare reference.safetensors mine.safetensors
  gemma compare reference.safetensors llama-cpp.npz --all
  gemma compare gemma_pytorch.npz mine/ --config gemma-2b --names names.json)";

struct CompareOptions {
    std::string reference;
    std::string other;
    std::optional<double> tolerance;  // none: each tensor's own
    std::string names;
    std::string layout = "auto";
    std::string config;
    std::string precision;
    bool all = false;
    bool json = false;
};

std::string in_red(const std::string& text) { return viz::Console().red(text); }
std::string in_green(const std::string& text) { return viz::Console().green(text); }

// ---- reading --------------------------------------------------------------------------------------------------------

// The two traces. A file of ours tells the sizes that the shapes of the other one are understood by.
struct Traces {
    ForeignTrace reference, other;
};

Traces read_traces(const CompareOptions& options) {
    ForeignOptions foreign;
    foreign.names = options.names;
    foreign.layout = parse_layout(options.layout);
    const TraceSizes known = options.config.empty() ? TraceSizes{} : sizes_of(find_config(options.config));

    ForeignTrace reference(options.reference, known, foreign);
    ForeignTrace other(options.other, completed(known, sizes_of(reference)), foreign);
    if (!reference.is_trace() && other.is_trace()) {
        const TraceSizes told = completed(known, sizes_of(other));
        reference = ForeignTrace(options.reference, told, foreign);
    }
    return {std::move(reference), std::move(other)};
}

DType precision_of_both(const Traces& traces, const CompareOptions& options) {
    if (!options.precision.empty()) return parse_dtype(options.precision);
    return coarser(precision_of(traces.reference, traces.reference.header().precision),
                   precision_of(traces.other, traces.other.header().precision));
}

// What a file says of its run: "(one_layer, float32, gemma_pytorch)", and whose names it has.
std::string origin(const ForeignTrace& trace) {
    std::string origin;
    for (const std::string& text : {trace.header().model, trace.header().precision, trace.header().producer}) {
        if (!text.empty()) origin += (origin.empty() ? "" : ", ") + text;
    }
    if (trace.convention() != "our names")
        origin += (origin.empty() ? "names of " : ", names of ") + trace.convention();
    return origin.empty() ? "" : "  (" + origin + ")";
}

// ---- the table ------------------------------------------------------------------------------------------------------

bool in_both(const TensorComparison& tensor) {
    return tensor.match != Match::only_in_reference && tensor.match != Match::only_in_other;
}

class Table {
public:
    Table(const Comparison& comparison, const Verdict& verdict, const CompareOptions& options)
        : comparison_(comparison), verdict_(verdict), options_(options) {
        for (const TensorComparison& tensor : comparison.tensors) {
            if (!options.all && !in_both(tensor)) continue;
            name_width_ = std::max(name_width_, tensor.name.size());
            shape_width_ = std::max(shape_width_, to_string(shape(tensor)).size());
        }
        const std::size_t narrow = name_width_ + shape_width_ + 50, added = 44;
        wide_ = viz::Console().columns() >= narrow + added;
    }

    // Every row up to a few after the first difference, of the tensors that both have; with --all, every row.
    void print() const {
        print_head();
        std::size_t after = 0, hidden = 0;
        for (std::size_t i = 0; i < comparison_.tensors.size(); ++i) {
            const TensorComparison& tensor = comparison_.tensors[i];
            if (verdict_.first && i > *verdict_.first && in_both(tensor)) ++after;
            if (options_.all || (in_both(tensor) && after <= rows_after_divergence)) {
                print(tensor, verdict_.tensors[i].judgement);
            } else if (in_both(tensor)) {
                ++hidden;
            }
        }
        if (hidden > 0) fmt::print("... {} more (--all shows them)\n", hidden);
    }

private:
    void print_head() const {
        fmt::print("{:<{}}  {:<{}}  {:>10}  {:>10}  {:>12}", "tensor", name_width_, "shape", shape_width_, "difference",
                   "relative", "cosine");
        if (wide_) fmt::print("  {:>10}  {:>8}  {:>8}  {:>10}", "rms", "within", "bf16 ulp", "bf16 same");
        fmt::print("\n");
    }

    void print(const TensorComparison& tensor, Judgement judgement) const {
        fmt::print("{:<{}}  {:<{}}  ", tensor.name, name_width_, to_string(shape(tensor)), shape_width_);
        if (tensor.match == Match::same || tensor.match == Match::different) {
            fmt::print("{:>10.3g}  {:>10.3g}  {:>12.9f}", tensor.difference, tensor.relative, tensor.cosine);
            if (wide_) {
                fmt::print("  {:>10.3g}  {:>6.1f} %  {:>8.3g}  {:>8.1f} %", tensor.rms, 100 * tensor.within,
                           tensor.units, 100 * tensor.identical);
            }
        } else {
            fmt::print("{:>10}  {:>10}  {:>12}", "-", "-", "-");
            if (wide_) fmt::print("  {:>10}  {:>8}  {:>8}  {:>10}", "-", "-", "-", "-");
        }
        fmt::print("  {}\n", told(tensor, judgement));
    }

    static const Shape& shape(const TensorComparison& tensor) {
        return tensor.match == Match::only_in_other ? tensor.other_shape : tensor.reference_shape;
    }

    std::string told(const TensorComparison& tensor, Judgement judgement) const {
        if (tensor.match == Match::only_in_reference) return "only in " + options_.reference;
        if (tensor.match == Match::only_in_other) return "only in " + options_.other;
        if (tensor.match == Match::other_shape)
            return in_red("DIFFERS") + " (shape: " + to_string(tensor.other_shape) + ")";
        const std::string reshaped = tensor.reshaped ? " (reshaped: " + to_string(tensor.other_shape) + ")" : "";
        if (judgement == Judgement::different) return in_red("DIFFERS") + reshaped;
        const bool over = tensor.match == Match::different;
        return in_green(judgement == Judgement::identical ? "identical" : over ? "noise" : "ok") + reshaped;
    }

    const Comparison& comparison_;
    const Verdict& verdict_;
    const CompareOptions& options_;
    std::size_t name_width_ = 6;   // "tensor"
    std::size_t shape_width_ = 5;  // "shape"
    bool wide_ = false;
};

// ---- what it comes to -----------------------------------------------------------------------------------------------

// How many compare in which way: "20 within tolerance, 4 rounding noise of bfloat16, 3 differ, 1 only in
// b.safetensors".
std::string summary(const Comparison& comparison, const Verdict& verdict, const CompareOptions& options) {
    const std::size_t differ = verdict.count(Judgement::different);
    const std::size_t over = comparison.count(Match::different) + comparison.count(Match::other_shape);
    std::string text = fmt::format("{} within tolerance", comparison.count(Match::same));
    if (over > differ) text += fmt::format(", {} rounding noise of {}", over - differ, to_string(verdict.precision));
    text += fmt::format(", {} differ", differ);
    if (const std::size_t count = comparison.count(Match::only_in_reference); count > 0) {
        text += fmt::format(", {} only in {}", count, options.reference);
    }
    if (const std::size_t count = comparison.count(Match::only_in_other); count > 0) {
        text += fmt::format(", {} only in {}", count, options.other);
    }
    return text;
}

// What of a file is in no row of the table, and why.
void print_left_out(const ForeignTrace& trace, const std::string& file, bool all) {
    const std::vector<LeftOut>& list = trace.left_out();
    if (list.empty()) return;
    fmt::print("\nnot compared, of {}:\n", file);
    const std::size_t shown = all ? list.size() : std::min(list.size(), left_out_shown);
    for (std::size_t i = 0; i < shown; ++i) {
        fmt::print("  {} {}: {}\n", list[i].name, to_string(list[i].shape), list[i].reason);
    }
    if (shown < list.size()) fmt::print("  ... {} more (--all shows them)\n", list.size() - shown);
}

// The parts that only the other trace has, each once for all layers, where a program of other names lacks them.
void print_lacking(const ForeignTrace& trace, const std::string& file, const Comparison& comparison, Match match) {
    if (trace.convention() == "our names") return;
    std::vector<std::string> parts;
    for (const TensorComparison& tensor : comparison.tensors) {
        if (tensor.match != match) continue;
        const std::optional<LayerName> inside = layer_name(tensor.name);
        const std::string part = !inside ? tensor.name : inside->part.empty() ? "layer" : std::string(inside->part);
        if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
    }
    if (!parts.empty()) fmt::print("\nnot in {}: {}\n", file, fmt::join(parts, ", "));
}

std::string told(const TensorComparison& divergence, const CompareOptions& options) {
    if (divergence.match == Match::other_shape) {
        return fmt::format("{}: shape {} in {}, {} in {}", divergence.name, to_string(divergence.reference_shape),
                           options.reference, to_string(divergence.other_shape), options.other);
    }
    return fmt::format("{}, at {}: {} in {}, {} in {}", divergence.name, to_string(divergence.index),
                       divergence.reference_number, options.reference, divergence.other_number, options.other);
}

[[noreturn]] void exit_different(const std::string& where) {
    fmt::print("{}\n", in_red("first to diverge: " + where));
    throw CLI::RuntimeError(exit_code_different);
}

nlohmann::json json_of(const ForeignTrace& trace, const std::string& file) {
    nlohmann::json left_out = nlohmann::json::array();
    for (const LeftOut& tensor : trace.left_out()) {
        left_out.push_back({{"name", tensor.name}, {"shape", tensor.shape}, {"reason", tensor.reason}});
    }
    const TraceHeader& header = trace.header();
    return {{"file", file},
            {"model", header.model},
            {"precision", header.precision},
            {"producer", header.producer},
            {"names", trace.convention()},
            {"not_compared", left_out}};
}

// JSON has no infinities: they, and what is not a number, become null.
nlohmann::ordered_json json_of(const TensorComparison& tensor, const TensorVerdict& verdict) {
    nlohmann::ordered_json json = {{"name", tensor.name}, {"judgement", to_string(verdict.judgement)}};
    if (!tensor.reference_shape.empty()) json["shape"] = tensor.reference_shape;
    if (!tensor.other_shape.empty()) json["other_shape"] = tensor.other_shape;
    if (tensor.match != Match::same && tensor.match != Match::different) return json;
    json["difference"] = json_number(tensor.difference);
    json["relative"] = json_number(tensor.relative);
    json["tolerance"] = tensor.tolerance;
    json["cosine"] = json_number(tensor.cosine);
    json["rms"] = json_number(tensor.rms);
    json["explained_rms"] = json_number(verdict.explained);
    json["within"] = tensor.within;
    json["bfloat16_units"] = json_number(tensor.units);
    json["bfloat16_identical"] = tensor.identical;
    json["inputs"] = verdict.inputs;
    json["index"] = tensor.index;
    json["reference_number"] = json_number(tensor.reference_number);
    json["other_number"] = json_number(tensor.other_number);
    return json;
}

// All but the tensors, which are not compared where the runs differ.
nlohmann::ordered_json json_of(const Traces& traces, const CompareOptions& options, DType precision,
                               const std::string& verdict) {
    return {{"reference", json_of(traces.reference, options.reference)},
            {"other", json_of(traces.other, options.other)},
            {"precision", to_string(precision)},
            {"same", false},
            {"first", nullptr},
            {"verdict", verdict},
            {"tensors", nlohmann::ordered_json::array()}};
}

void print(const nlohmann::ordered_json& json) {
    fmt::print("{}\n", json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_json(const Traces& traces, const Comparison& comparison, const Verdict& verdict,
                const CompareOptions& options) {
    nlohmann::ordered_json json = json_of(traces, options, verdict.precision, explain(comparison, verdict));
    json["same"] = verdict.same();
    if (verdict.first) json["first"] = comparison.tensors[*verdict.first].name;
    for (std::size_t i = 0; i < comparison.tensors.size(); ++i) {
        json["tensors"].push_back(json_of(comparison.tensors[i], verdict.tensors[i]));
    }
    print(json);
}

// Runs of other tokens: what follows from them differs anyway.
[[noreturn]] void tell_other_runs(const std::string& how, const Traces& traces, const CompareOptions& options) {
    if (!options.json) exit_different(how);
    print(json_of(traces, options, precision_of_both(traces, options), how));
    throw CLI::RuntimeError(exit_code_different);
}

Comparison compare_records(const Traces& traces, const CompareOptions& options) {
    try {
        return compare(traces.reference, traces.other, options.tolerance);
    } catch (const Error& error) {
        fail("{}, {}: {}", options.reference, options.other, error.what());
    }
}

void compare_files(const CompareOptions& options) {
    const Traces traces = read_traces(options);
    const ForeignTrace &reference = traces.reference, &other = traces.other;

    const std::string runs =
        different_runs(reference.header().tokens, reference.range(), other.header().tokens, other.range());
    if (!runs.empty()) tell_other_runs(runs, traces, options);

    const Comparison comparison = compare_records(traces, options);
    const Verdict verdict = judge(comparison, precision_of_both(traces, options), options.tolerance.has_value());
    if (options.json) {
        print_json(traces, comparison, verdict, options);
        if (!verdict.same()) throw CLI::RuntimeError(exit_code_different);
        return;
    }
    fmt::print("reference  {}{}\n", options.reference, origin(reference));
    fmt::print("other      {}{}\n\n", options.other, origin(other));
    Table(comparison, verdict, options).print();
    print_left_out(reference, options.reference, options.all);
    print_left_out(other, options.other, options.all);
    print_lacking(reference, options.reference, comparison, Match::only_in_other);
    print_lacking(other, options.other, comparison, Match::only_in_reference);
    fmt::print("\n{}\n", summary(comparison, verdict, options));
    const std::string explanation = explain(comparison, verdict);
    if (verdict.first) exit_different(told(comparison.tensors[*verdict.first], options) + "; " + explanation);
    fmt::print("{}\n", in_green(explanation));
}

}  // namespace

void add_compare(CLI::App& app) {
    CLI::App* command = app.add_subcommand("compare", "Compare two traces, also of other programs, tensor by tensor");
    const auto options = std::make_shared<CompareOptions>();
    command->add_option("reference", options->reference, "Trace of this program or of another one")
        ->type_name("A")
        ->required();
    command->add_option("other", options->other, "What is compared with it")->type_name("B")->required();
    command
        ->add_option("--tolerance", options->tolerance,
                     "Largest difference over the reference's largest magnitude\n"
                     "that still counts as the same (default: 1e-5, lm_head 5e-5, and in\n"
                     "16 bits what rounding explains)")
        ->check(any_number())
        ->type_name("X");
    command
        ->add_option("--names", options->names,
                     "What other names mean, {\"their name\": \"our name\"}, in which {i}\n"
                     "stands for a layer's number")
        ->type_name("FILE.json");
    command
        ->add_option("--layout", options->layout,
                     "Which axis comes first where a shape does not tell: tokens-first,\n"
                     "heads-first, or ggml for shapes from the innermost axis on")
        ->check(read_by(parse_layout))
        ->type_name("LAYOUT");
    command
        ->add_option("--config", options->config,
                     "The model's sizes, where neither trace tells them: gemma-2b,\n"
                     "gemma-7b, a model directory, or a config.json")
        ->check(read_by(find_config))
        ->type_name("MODEL");
    command
        ->add_option("--precision", options->precision,
                     "Judge by the roundings of float32, bfloat16 or float16\n"
                     "(default: what the traces were computed in)")
        ->check(CLI::IsMember({"float32", "bfloat16", "float16"}))
        ->type_name("P");
    command->add_flag("--all", options->all,
                      "Show every row: also those long after the first that differs,\n"
                      "and tensors that only one file has");
    command->add_flag("--json", options->json, "Write all numbers and the verdict as JSON");
    command->footer(compare_footer);
    command->callback([options] {
        if (options->tolerance && !(*options->tolerance >= 0 && std::isfinite(*options->tolerance))) {
            fail("--tolerance: found {}, expected a number from 0 up", *options->tolerance);
        }
        compare_files(*options);
    });
}

}  // namespace gemma
