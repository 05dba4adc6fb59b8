// LayerNorm: shift a vector to mean 0, scale it to variance 1, then give each number a learned gain and bias.
//
//   mean       = (1/D) Σ x_i
//   variance   = (1/D) Σ (x_i - mean)²
//   normalized = (x - mean) / sqrt(variance + eps)
//   y          = gain ⊗ normalized + bias
//
// Layer Normalization (Ba, Kiros, Hinton 2016).
//
// What Gemma does differently from the paper: it does not use it. RMSNorm leaves out the mean and the bias; on a vector
// whose mean is 0 already, the two normalize alike. See rms_norm.hpp.
//
// Trace points: .mean [T], .variance [T], .normalized [T, D], and the scope itself [T, D] for y.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace gemma {

/// Normalizes each row of x [T, D]; gain and bias are [D]. Returns [T, D].
/// Throws an Error when the gain or the bias does not fit.
Matrix layer_norm(const Matrix& x, const Vector& gain, const Vector& bias, float eps, Trace trace = {});

}  // namespace gemma
