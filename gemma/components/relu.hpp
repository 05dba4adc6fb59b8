// ReLU, the rectified linear unit: a hard gate at zero, what GELU is compared with.
//
//   relu(x) = max(x, 0)
//
// Rectified Linear Units Improve Restricted Boltzmann Machines (Nair, Hinton 2010).
#pragma once

namespace gemma {

inline float relu(float x) { return x > 0.0f ? x : 0.0f; }

/// 1 above zero, 0 below; at zero, where there is no slope, 0.
inline float relu_derivative(float x) { return x > 0.0f ? 1.0f : 0.0f; }

}  // namespace gemma
