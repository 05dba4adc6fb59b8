// Swish, also called SiLU: x times a sigmoid of x, the gate of SwiGLU (Llama) where Gemma has GELU.
//
//   swish(x) = x σ(x)
//
// Searching for Activation Functions (Ramachandran, Zoph, Le 2017). GELU's sigmoid form is a steeper one: x σ(1.702 x).
#pragma once

#include "gemma/components/sigmoid.hpp"

namespace gemma {

inline float swish(float x) { return x * sigmoid(x); }

/// With s = σ(x): d/dx x s = s + x s (1 - s).
inline float swish_derivative(float x) {
    const float s = sigmoid(x);
    return s + x * s * (1.0f - s);
}

}  // namespace gemma
