// Which known mistake a learner made: the learner's function takes its part in a forward pass, and its numbers are held
// against those of the same pass with each of the mistakes that `gemma diagnose` knows.
//
// The pass is that of a small random model with 1 < K < H and d other than D / H, so that no two mistakes look alike
// that are not.
#pragma once

#include "gemma/diagnose/mistakes.hpp"
#include "gemma/model/model.hpp"
#include "gemma/trace/record.hpp"
#include "gemma/trace/trace.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace lesson {

/// A small model of random numbers: 2 layers, 4 query heads, 2 key/value heads, heads wider than its vectors.
gemma::Model random_model(double embedding_size = 1.0);

/// A tensor of a record.
template <std::size_t N>
xt::xtensor<float, N> tensor_of(const gemma::Record& record, const std::string& name) {
    const gemma::RecordedTensor recorded = record.tensor(name);
    std::array<std::size_t, N> shape;
    std::copy_n(recorded.shape.begin(), N, shape.begin());
    xt::xtensor<float, N> tensor = xt::xtensor<float, N>::from_shape(shape);
    std::copy(recorded.numbers.begin(), recorded.numbers.end(), tensor.data());
    return tensor;
}

/// The learner's part of a forward pass: takes what goes in from the clean pass over these tokens, and shows what comes
/// out under the names that the pass has for it.
using LearnerPart = std::function<void(const gemma::Model& model, const std::vector<int>& tokens,
                                       const gemma::Record& clean, gemma::Trace trace)>;

struct Recognized {
    std::string tensor;                    // the first of the learner's that differs from the clean pass
    double distance = 0;                   // from the mistaken pass, relative to its largest number
    double from_right = 0;                 // from the clean pass
    std::vector<gemma::Mistake> mistakes;  // that give its numbers; none: no known one does
};

Recognized recognize(const LearnerPart& part);

}  // namespace lesson
