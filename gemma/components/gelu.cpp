#include "gemma/components/gelu.hpp"

#include "gemma/components/sigmoid.hpp"
#include "gemma/elementwise.hpp"
#include "gemma/parallel.hpp"

#include <cmath>

namespace gemma {

namespace {

constexpr float sqrt_2_over_pi = 0.7978845608028654f;
constexpr float one_over_sqrt_2 = 0.7071067811865476f;
constexpr float one_over_sqrt_2_pi = 0.3989422804014327f;
constexpr float cubic = 0.044715f;
constexpr float sigmoid_slope = 1.702f;

// The tanh form, in vectors: Gemma's MLP needs it for every number of its gate.
GEMMA_WIDEST_VECTORS void gelu_tanh(float* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const float x = values[i];
        const float inner = sqrt_2_over_pi * (x + cubic * x * x * x);
        values[i] = 0.5f * x * (1.0f + vector_tanh(inner));
    }
}

float gelu_exact(float x) { return x * normal_cdf(x); }

float gelu_sigmoid(float x) { return x * sigmoid(sigmoid_slope * x); }

// d/dx x Φ(x) = Φ(x) + x φ(x), where φ is the normal density.
float gelu_exact_derivative(float x) {
    const float density = one_over_sqrt_2_pi * std::exp(-0.5f * x * x);
    return normal_cdf(x) + x * density;
}

// With t = tanh(u): d/dx x/2 (1 + t) = (1 + t)/2 + x/2 (1 - t²) du/dx.
float gelu_tanh_derivative(float x) {
    const float t = std::tanh(sqrt_2_over_pi * (x + cubic * x * x * x));
    const float inner_slope = sqrt_2_over_pi * (1.0f + 3.0f * cubic * x * x);
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner_slope;
}

// d/dx x σ(a x) = σ(a x) + a x σ'(a x).
float gelu_sigmoid_derivative(float x) {
    const float steeper = sigmoid_slope * x;
    return sigmoid(steeper) + steeper * sigmoid_derivative(steeper);
}

}  // namespace

float normal_cdf(float x) { return 0.5f * (1.0f + std::erf(x * one_over_sqrt_2)); }

float gelu(float x, Gelu form) {
    switch (form) {
        case Gelu::exact: return gelu_exact(x);
        case Gelu::tanh: gelu_tanh(&x, 1); return x;
        case Gelu::sigmoid: return gelu_sigmoid(x);
    }
    return x;
}

float gelu_derivative(float x, Gelu form) {
    switch (form) {
        case Gelu::exact: return gelu_exact_derivative(x);
        case Gelu::tanh: return gelu_tanh_derivative(x);
        case Gelu::sigmoid: return gelu_sigmoid_derivative(x);
    }
    return 1.0f;
}

void gelu(float* values, std::size_t count, Gelu form, Precision precision) {
    if (form == Gelu::tanh) {
        gelu_tanh(values, count);
    } else {
        for (std::size_t i = 0; i < count; ++i) values[i] = gelu(values[i], form);
    }
    round_to(precision, values, count);
}

Matrix gelu(Matrix x, Gelu form, Precision precision) {
    parallel_for(x.size(), 1 << 13,
                 [&](std::size_t first, std::size_t last) { gelu(x.data() + first, last - first, form, precision); });
    return x;
}

}  // namespace gemma
