// GELU, the Gaussian Error Linear Unit: x times the probability that a standard normal number is below x.
//
//   gelu(x) = x Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2
//
// Gaussian Error Linear Units (Hendrycks, Gimpel 2016). It is the expectation of x · Bernoulli(Φ(x)): dropout whose
// coin is weighted by the input itself. ReLU is a hard gate at 0; GELU opens smoothly.
//
// Three forms of it, two from the paper as cheaper approximations:
//
//   exact    x Φ(x)
//   tanh     x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))     differs from exact by at most 4.73e-4
//   sigmoid  x · σ(1.702 x)                                 differs from exact by at most 0.0203
//
// What Gemma does: the tanh form, also where its config.json says "gelu".
#pragma once

#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>

namespace gemma {

enum class Gelu { exact, tanh, sigmoid };

/// One number.
float gelu(float x, Gelu form = Gelu::tanh);

/// The slope d gelu / dx, in the same form.
float gelu_derivative(float x, Gelu form = Gelu::tanh);

/// Replaces `count` numbers by their GELU.
void gelu(float* values, std::size_t count, Gelu form = Gelu::tanh, Precision precision = Precision::float32);

/// Each number of x [T, F].
Matrix gelu(Matrix x, Gelu form = Gelu::tanh, Precision precision = Precision::float32);

/// Φ(x), the probability that a standard normal number is at most x.
float normal_cdf(float x);

}  // namespace gemma
