// The logistic function, the gate of LSTMs and GLUs: σ(x) = 1 / (1 + exp(-x)), between 0 (closed) and 1 (open).
#pragma once

#include <cmath>

namespace gemma {

inline float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

/// σ'(x) = σ(x) (1 - σ(x)): at most 1/4, and near 0 on both sides. 1 - σ(x) is σ(-x), which keeps its digits where
/// σ(x) is near 1.
inline float sigmoid_derivative(float x) { return sigmoid(x) * sigmoid(-x); }

}  // namespace gemma
