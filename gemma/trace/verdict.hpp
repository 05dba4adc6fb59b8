// The judgement of a comparison: is a difference rounding noise, or is a step of the forward pass another one?
//
// Two right implementations that round differently differ, and the more the deeper they are. In float32 the differences
// stay so small that one bound does for all tensors: their tolerance. In 16 bits a tensor's difference is judged by
// what went into it: a step may pass on its inputs' differences and add the roundings of its own, and what exceeds that
// is the step's. As relative rms differences, e of the output, e_i of the inputs and u of one rounding:
//
//   e <= 3 sqrt(Σ e_i² + u²)
//
// u is 1.53e-3 for bfloat16 and 1.91e-4 for float16: rounding to p bits makes an error spread evenly over half a unit
// up and down, so u = 2^(1-p) / sqrt(12) / r with r = sqrt(1.5 / ln 2) = 1.47, the rms of numbers from 1 to 2 whose
// logarithms are spread evenly. The factor 3 leaves room: over all tensors of seven models that the official code ran
// in bfloat16 and in float32, e / sqrt(Σ e_i² + u²) is at most 1.61, and around 1 for most.
// A softmax is not linear: its e_i is the rms difference of the scores themselves, not relative to them, because
// the probability exp(s) of a score that is off by δ is off by the factor exp(δ).
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/trace/compare.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

enum class Judgement {
    identical,       // every number (a zero's sign aside)
    rounding_noise,  // no more than the precision explains
    different,
    not_compared,  // only one of the two has it
};

/// "identical", "rounding noise", "different", "not compared".
std::string_view to_string(Judgement judgement);

struct TensorVerdict {
    Judgement judgement = Judgement::not_compared;
    double explained = 0;              // the relative rms difference that inputs and own roundings explain
    bool own_fault = false;            // different, though no tensor that feeds it is
    std::vector<std::string> inputs;   // the nearest tensors behind it that were compared
    std::vector<std::string> between;  // the tensors between those and it, which were not
};

struct Verdict {
    DType precision = DType::float32;    // by whose roundings it was judged
    std::vector<TensorVerdict> tensors;  // one for each of the comparison's, in their order
    std::optional<std::size_t> first;    // which is the first that is different

    bool same() const { return !first.has_value(); }
    std::size_t count(Judgement judgement) const;
};

/// The precision that a record was computed in: what `stated` says, else bfloat16 or float16 where all numbers are such
/// (of the tensors that a 16-bit run rounds: neither the parts of the norms, nor the embedding's rows, which tell of
/// the weights), else float32.
DType precision_of(const Record& record, const std::string& stated = "");

/// The one with the larger rounding: what a comparison of the two is judged by.
DType coarser(DType a, DType b);

/// Judges by the roundings of `precision`. With `strict`, and always in float32, a tensor is different when it is over
/// its tolerance.
Verdict judge(const Comparison& comparison, DType precision, bool strict = false);

/// The verdict in a sentence or two, without a full stop at the end: that all is the same, or what feeds the first
/// tensor that differs, and what that says of the step.
std::string explain(const Comparison& comparison, const Verdict& verdict);

}  // namespace gemma
