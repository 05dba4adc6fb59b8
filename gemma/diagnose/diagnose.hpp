// Diagnosis: which known mistake makes our forward pass give another program's numbers?
//
//   1. The clean pass. Where it agrees with the other trace, there is nothing to find.
//   2. Else each mistake, up to the tensor where the clean pass first differs. Those whose numbers agree there explain
//      the divergence; each of them runs on to the end.
//   3. Where the trace differs again later, there is a second mistake: each of those that explain the first part runs
//      with each other mistake up to there, and so on, up to three.
//   4. Where none explains the first divergence, two mistakes may lie before it, with no tensor between them that the
//      trace shows: pairs.
//
// A pass that only has to reach a tensor ends there: to find a fault in layer 0 costs one layer for each mistake.
#pragma once

#include "gemma/diagnose/mistakes.hpp"
#include "gemma/dtype.hpp"
#include "gemma/model/model.hpp"
#include "gemma/trace/compare.hpp"
#include "gemma/trace/record.hpp"
#include "gemma/trace/verdict.hpp"

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

/// The other program's numbers.
struct OtherTrace {
    const Record& record;
    std::vector<int> tokens;           // that it ran; none: it does not say
    DType precision = DType::float32;  // that it computed in
};

/// A pass with some mistakes, held against the other trace.
struct Attempt {
    std::vector<std::string> mistakes;  // none: the clean pass
    bool whole = false;                 // it ran to the end, not only to where it was known to fail or not
    std::string first;                  // the first tensor that differs; empty: none of those that it reached
    std::size_t agreeing = 0;           // tensors before that one

    // Relative differences.
    double at_divergence = 0;  // where the clean pass first differs
    double largest = 0;        // of the tensors before `first`
    double sum_of_rms = 0;     // of all that it reached

    bool explains() const { return whole && first.empty(); }
};

struct Diagnosis {
    Comparison comparison;  // with the clean pass
    Verdict verdict;
    Attempt clean;
    std::vector<Attempt> attempts;  // with mistakes, the closest first
    std::size_t passes = 0;         // that were run, in whole or in part

    // What the other's numbers are to the clean pass's where they first differ, whether or not a mistake is known for
    // it.
    std::optional<double> factor;  // all of them times this
    bool reordered = false;        // the same numbers in another order

    /// The attempts that explain the whole trace: more than one where they cannot be told apart on this input.
    std::vector<Attempt> explanations() const;
};

struct DiagnoseOptions {
    /// Where no single mistake explains the first divergence: with how many of the closest ones pairs are made.
    std::size_t pairs = std::numeric_limits<std::size_t>::max();
    /// Called before each pass with the number of passes so far; what it throws ends the diagnosis.
    std::function<void(std::size_t passes, const std::vector<std::string>& mistakes)> progress = {};
};

/// Diagnoses a trace of a run that should have had `tokens`. Throws an Error when the trace has no tensor that our
/// pass has, and when its tokens are neither these nor what a known mistake makes of them.
Diagnosis diagnose(const Model& model, const std::vector<int>& tokens, const OtherTrace& other,
                   const DiagnoseOptions& options = {});

/// The known mistake that makes these tokens of the right ones; none when none does.
std::optional<std::string> token_mistake(const std::vector<int>& right, const std::vector<int>& found);

/// How well a model with some mistakes says a text.
struct TextAttempt {
    std::vector<std::string> mistakes;  // none: the clean pass
    double log_probability = 0;         // of the text after the prompt, ln
    std::size_t likeliest = 0;          // tokens of it that were the likeliest
    std::optional<std::size_t> first;   // the first token that was not; none: all were
};

/// The clean pass, then each mistake, by how well it says tokens `prompt_tokens` … of a text that a program wrote
/// greedily: by the tokens up to the first that was not the likeliest, then by its probability. Of those that say all
/// of it the clean pass is first.
std::vector<TextAttempt> diagnose_text(const Model& model, const std::vector<int>& tokens, std::size_t prompt_tokens,
                                       const DiagnoseOptions& options = {});

}  // namespace gemma
