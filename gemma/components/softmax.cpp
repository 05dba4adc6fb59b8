#include "gemma/components/softmax.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gemma {

void softmax(float* values, std::size_t count) {
    const float largest = *std::max_element(values, values + count);
    double total = 0.0;  // in float32, the sum of thousands of small numbers would lose the last digits
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = std::exp(values[i] - largest);
        total += static_cast<double>(values[i]);
    }
    const float sum = static_cast<float>(total);
    for (std::size_t i = 0; i < count; ++i) values[i] /= sum;
}

Vector softmax(Vector values) {
    if (values.size() == 0) fail("the softmax of nothing: expected at least one number");
    softmax(values.data(), values.size());
    return values;
}

Tensor3 causal_softmax(Tensor3 scores) {
    const std::size_t H = scores.shape(0), T = scores.shape(1), S = scores.shape(2);
    if (S < T) fail("{} tokens attend to {}, expected at least as many", T, S);
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            const std::size_t visible = S - T + t + 1;
            float* row = &scores(h, t, 0);
            softmax(row, visible);
            std::fill(row + visible, row + S, 0.0f);
        }
    }
    return scores;
}

}  // namespace gemma
