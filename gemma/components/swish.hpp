// Swish, also called SiLU: x times a sigmoid of x, the gate of SwiGLU (Llama) where Gemma has GELU.
//
//   swish(x) = x σ(x)
//
// Searching for Activation Functions (Ramachandran, Zoph, Le 2017). GELU's sigmoid form is a steeper one: x σ(1.702 x).
#pragma once

#include "gemma/components/sigmoid.hpp"

namespace gemma {

inline float swish(float x) { return x * sigmoid(x); }

/// d/dx x σ(x) = σ(x) + x σ'(x).
inline float swish_derivative(float x) { return sigmoid(x) + x * sigmoid_derivative(x); }

}  // namespace gemma
