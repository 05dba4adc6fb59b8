// Compares two records of the same tokens, tensor by tensor: where does one implementation leave the other?
//
//   difference  max |a_i - b_i|
//   relative    max |a_i - b_i| / max |a_i|             a is the reference
//   cosine      Σ a_i b_i / sqrt(Σ a_i² · Σ b_i²)       summed in double precision
//   rms         sqrt(Σ (a_i - b_i)² / Σ a_i²)           the relative difference of all numbers together
//   within      share of the numbers with |a_i - b_i| <= tolerance · max |a_i|
//   units       max of |a_i - b_i|, both rounded to bfloat16, in units of the last place of the larger one
//
// A tensor is within tolerance when its relative difference is. Two NaNs, and two infinities of the same sign, are
// equal; a NaN or an infinity on one side only is an infinite difference. Scores of tokens later than the row's own do
// not count: the mask takes them away, and not every implementation computes them.
#pragma once

#include "gemma/trace/record.hpp"
#include "gemma/trace/trace_file.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gemma {

/// What float32 implementations agree within: 1e-5, and 5e-5 for the logits.
double default_tolerance(const std::string& name);

enum class Match {
    same,         // within tolerance
    different,    // over it
    other_shape,  // the numbers cannot be put side by side
    only_in_reference,
    only_in_other,
};

struct TensorComparison {
    std::string name;
    Match match = Match::same;
    Shape reference_shape;  // empty where there is no such tensor
    Shape other_shape;
    bool reshaped = false;  // the same numbers in the same order under two shapes, such as [T, H, d] and [1, T, H·d]
    double tolerance = 0;

    // Where the two differ most, with both numbers there.
    Shape index = {};  // in the reference's shape
    float reference_number = 0;
    float other_number = 0;

    double difference = 0;
    double relative = 0;
    double cosine = 1;
    double rms = 0;
    double rms_difference = 0;  // not relative: sqrt of the mean of (a_i - b_i)²

    double within = 1;     // share of the numbers
    double units = 0;      // largest distance in bfloat16
    double identical = 1;  // share of the numbers that are the same bfloat16

    bool diverges() const { return match == Match::different || match == Match::other_shape; }
};

struct Comparison {
    /// In the order of the forward pass.
    std::vector<TensorComparison> tensors;

    /// How many tensors compare in this way.
    std::size_t count(Match match) const;

    /// The first tensor that diverges; nullptr when none does. A tensor that only one side has does not.
    const TensorComparison* first_divergence() const;
};

/// Compares one tensor that both have.
TensorComparison compare_tensor(const std::string& name, const Record& reference, const Record& other,
                                double tolerance);

/// Compares all tensors that both have; `tolerance` takes the place of default_tolerance. Needs memory for one pair of
/// tensors. Throws an Error when they have no name in common.
Comparison compare(const Record& reference, const Record& other, std::optional<double> tolerance = {});

/// What makes two traces records of different runs, in words: other tokens, or other rows of them. Empty when nothing
/// does, or when the tokens of one are not known.
std::string different_runs(const std::vector<int>& tokens, TokenRange rows, const std::vector<int>& other_tokens,
                           TokenRange other_rows);
std::string different_runs(const TraceFile& reference, const TraceFile& other);

}  // namespace gemma
