#include "gemma/components/gelu.hpp"

#include "gemma/components/sigmoid.hpp"

#include <cmath>

namespace gemma {

namespace {

constexpr float sqrt_2_over_pi = 0.7978845608028654f;
constexpr float one_over_sqrt_2 = 0.7071067811865476f;
constexpr float one_over_sqrt_2_pi = 0.3989422804014327f;
constexpr float cubic = 0.044715f;
constexpr float sigmoid_slope = 1.702f;

float gelu_exact(float x) { return x * normal_cdf(x); }

float gelu_tanh(float x) {
    const float inner = sqrt_2_over_pi * (x + cubic * x * x * x);
    return 0.5f * x * (1.0f + std::tanh(inner));
}

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
        case Gelu::tanh: return gelu_tanh(x);
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

Matrix gelu(Matrix x, Gelu form) {
    for (float& value : x) value = gelu(value, form);
    return x;
}

}  // namespace gemma
