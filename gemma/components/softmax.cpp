#include "gemma/components/softmax.hpp"

#include "gemma/elementwise.hpp"
#include "gemma/error.hpp"
#include "gemma/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gemma {

namespace {

// In vectors: long prompts have millions of scores in each layer.
GEMMA_WIDEST_VECTORS float largest_of(const float* values, std::size_t count) {
    float largest = values[0];
#pragma omp simd reduction(max : largest)
    for (std::size_t i = 0; i < count; ++i) largest = values[i] > largest ? values[i] : largest;
    return largest;
}

// exp(x_i - largest) in the place of x_i; returns their sum.
GEMMA_WIDEST_VECTORS float exponentials(float* values, std::size_t count, float largest) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = vector_exp(values[i] - largest);
        sum += values[i];
    }
    return sum;
}

GEMMA_WIDEST_VECTORS void divide(float* values, std::size_t count, float divisor) {
    for (std::size_t i = 0; i < count; ++i) values[i] /= divisor;
}

}  // namespace

void softmax(float* values, std::size_t count) {
    const float largest = largest_of(values, count);
    double sum = 0.0;  // in float32, the sum of thousands of small numbers would lose the last digits
    for (std::size_t first = 0; first < count; first += 256) {
        const std::size_t few = std::min<std::size_t>(256, count - first);
        sum += static_cast<double>(exponentials(values + first, few, largest));
    }
    divide(values, count, static_cast<float>(sum));
}

double log_sum_exp(const float* values, std::size_t count) {
    const double largest = largest_of(values, count);
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) sum += std::exp(values[i] - largest);
    return largest + std::log(sum);
}

Vector softmax(Vector values) {
    if (values.size() == 0) fail("the softmax of nothing: expected at least one number");
    softmax(values.data(), values.size());
    return values;
}

Tensor3 causal_softmax(Tensor3 scores, Precision precision) {
    const std::size_t H = scores.shape(0), T = scores.shape(1), S = scores.shape(2);
    if (S < T) fail("{} tokens attend to {}, expected at least as many", T, S);
    parallel_for(H * T, 4, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
            const std::size_t t = i % T, visible = S - T + t + 1;
            float* row = &scores(i / T, t, 0);
            softmax(row, visible);
            round_to(precision, row, visible);
            std::fill(row + visible, row + S, 0.0f);
        }
    });
    return scores;
}

}  // namespace gemma
