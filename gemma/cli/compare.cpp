// gemma compare: two trace files, tensor by tensor, and the first place where they part.
#include "gemma/trace/compare.hpp"

#include "gemma/cli/commands.hpp"
#include "gemma/error.hpp"
#include "viz/console.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace gemma {

namespace {

constexpr int different = 1;                      // exit code
constexpr std::size_t rows_after_divergence = 5;  // shown without --all

constexpr const char* footer =
    R"(Tensors that only one file has do not make the two different: a part of a run can be compared with all of it.
Exit code: 0 the same, 1 different, 2 bad input.

Example:
  gemma compare reference.safetensors mine.safetensors)";

struct CompareOptions {
    std::string reference;
    std::string other;
    std::optional<double> tolerance;  // none: each tensor's own
    bool all = false;
};

std::string in_red(const std::string& text) { return viz::Console().red(text); }
std::string in_green(const std::string& text) { return viz::Console().green(text); }

// What a file says of its run: "(one_layer, float32, gemma_pytorch)".
std::string origin(const TraceHeader& header) {
    std::string origin;
    for (const std::string& text : {header.model, header.precision, header.producer}) {
        if (!text.empty()) origin += (origin.empty() ? "" : ", ") + text;
    }
    return origin.empty() ? "" : "  (" + origin + ")";
}

class Table {
public:
    Table(const Comparison& comparison, const CompareOptions& options) : options_(options) {
        for (const TensorComparison& tensor : comparison.tensors) {
            name_width_ = std::max(name_width_, tensor.name.size());
            shape_width_ = std::max(shape_width_, to_string(shape(tensor)).size());
        }
    }

    void print_head() const {
        fmt::print("{:<{}}  {:<{}}  {:>10}  {:>10}  {:>12}\n", "tensor", name_width_, "shape", shape_width_,
                   "difference", "relative", "cosine");
    }

    void print(const TensorComparison& tensor) const {
        fmt::print("{:<{}}  {:<{}}  ", tensor.name, name_width_, to_string(shape(tensor)), shape_width_);
        if (tensor.match == Match::same || tensor.match == Match::different) {
            fmt::print("{:>10.3g}  {:>10.3g}  {:>12.9f}", tensor.difference, tensor.relative, tensor.cosine);
        } else {
            fmt::print("{:>10}  {:>10}  {:>12}", "-", "-", "-");
        }
        fmt::print("  {}\n", verdict(tensor));
    }

private:
    static const Shape& shape(const TensorComparison& tensor) {
        return tensor.match == Match::only_in_other ? tensor.other_shape : tensor.reference_shape;
    }

    std::string verdict(const TensorComparison& tensor) const {
        const std::string reshaped = tensor.reshaped ? " (reshaped: " + to_string(tensor.other_shape) + ")" : "";
        switch (tensor.match) {
            case Match::same: return in_green("ok") + reshaped;
            case Match::different: return in_red("DIFFERS") + reshaped;
            case Match::other_shape: return in_red("DIFFERS") + " (shape: " + to_string(tensor.other_shape) + ")";
            case Match::only_in_reference: return "only in " + options_.reference;
            case Match::only_in_other: return "only in " + options_.other;
        }
        return "";
    }

    const CompareOptions& options_;
    std::size_t name_width_ = 6;   // "tensor"
    std::size_t shape_width_ = 5;  // "shape"
};

// Every row up to a few after the first divergence, of the tensors that both files have; with --all, every row.
void print_table(const Comparison& comparison, const CompareOptions& options) {
    const Table table(comparison, options);
    table.print_head();
    const TensorComparison* divergence = comparison.first_divergence();
    std::size_t after = 0, hidden = 0;
    for (const TensorComparison& tensor : comparison.tensors) {
        const bool in_both = tensor.match != Match::only_in_reference && tensor.match != Match::only_in_other;
        if (divergence != nullptr && &tensor > divergence && in_both) ++after;
        if (options.all || (in_both && after <= rows_after_divergence)) {
            table.print(tensor);
        } else if (in_both) {
            ++hidden;
        }
    }
    if (hidden > 0) fmt::print("... {} more (--all shows them)\n", hidden);
}

// How many compare in which way: "20 within tolerance, 3 differ, 1 only in b.safetensors".
std::string summary(const Comparison& comparison, const CompareOptions& options) {
    std::string text = fmt::format("{} within tolerance, {} differ", comparison.count(Match::same),
                                   comparison.count(Match::different) + comparison.count(Match::other_shape));
    if (const std::size_t count = comparison.count(Match::only_in_reference); count > 0) {
        text += fmt::format(", {} only in {}", count, options.reference);
    }
    if (const std::size_t count = comparison.count(Match::only_in_other); count > 0) {
        text += fmt::format(", {} only in {}", count, options.other);
    }
    return text;
}

std::string told(const TensorComparison& divergence, const CompareOptions& options) {
    if (divergence.match == Match::other_shape) {
        return fmt::format("{}: shape {} in {}, {} in {}", divergence.name, to_string(divergence.reference_shape),
                           options.reference, to_string(divergence.other_shape), options.other);
    }
    return fmt::format("{}, at {}: {} in {}, {} in {}", divergence.name, to_string(divergence.index),
                       divergence.reference_number, options.reference, divergence.other_number, options.other);
}

Comparison compare_records(const TraceFile& reference, const TraceFile& other, const CompareOptions& options) {
    try {
        return compare(reference, other, options.tolerance);
    } catch (const Error& error) {
        fail("{}, {}: {}", options.reference, options.other, error.what());
    }
}

[[noreturn]] void exit_different(const std::string& where) {
    fmt::print("{}\n", in_red("first to diverge: " + where));
    throw CLI::RuntimeError(different);
}

void compare_files(const CompareOptions& options) {
    const TraceFile reference(options.reference, TraceFile::Accept::any_tensors);
    const TraceFile other(options.other, TraceFile::Accept::any_tensors);

    // What follows from other tokens differs anyway.
    if (const std::string runs = different_runs(reference, other); !runs.empty()) exit_different(runs);

    const Comparison comparison = compare_records(reference, other, options);
    fmt::print("reference  {}{}\n", options.reference, origin(reference.header()));
    fmt::print("other      {}{}\n\n", options.other, origin(other.header()));
    print_table(comparison, options);
    fmt::print("\n{}\n", summary(comparison, options));
    if (const TensorComparison* divergence = comparison.first_divergence()) exit_different(told(*divergence, options));
    fmt::print("{}\n", in_green("the same: every tensor in both files is within tolerance"));
}

}  // namespace

void add_compare(CLI::App& app) {
    CLI::App* command = app.add_subcommand("compare", "Compare two trace files, tensor by tensor");
    const auto options = std::make_shared<CompareOptions>();
    command->add_option("reference", options->reference, "Trace file, or any .safetensors file of named tensors")
        ->type_name("A.safetensors")
        ->required();
    command->add_option("other", options->other, "What is compared with it")->type_name("B.safetensors")->required();
    command
        ->add_option("--tolerance", options->tolerance,
                     "Largest difference over the reference's largest magnitude\n"
                     "that still counts as the same (default: 1e-5, lm_head 5e-5)")
        ->type_name("X");
    command->add_flag("--all", options->all,
                      "Show every row: also those long after the first that differs,\n"
                      "and tensors that only one file has");
    command->footer(footer);
    command->callback([options] {
        if (options->tolerance && !(*options->tolerance >= 0 && std::isfinite(*options->tolerance))) {
            fail("--tolerance: found {}, expected a number from 0 up", *options->tolerance);
        }
        compare_files(*options);
    });
}

}  // namespace gemma
