// RMSNorm: divide a vector by its root mean square, then scale each number by a learned weight.
//
//   mean_square = (1/D) Σ x_i²
//   normalized  = x / sqrt(mean_square + eps)
//   y           = normalized · (1 + w)
//
// Root Mean Square Layer Normalization (Zhang, Sennrich 2019): LayerNorm without subtracting the mean.
// What Gemma does differently from the paper: eps = 1e-6 under the root, the scale is (1 + w) with w around 0, and
// all of it is computed in float32: in bfloat16 precision only y is rounded, once.
//
// Trace points: .mean_square [T], .normalized [T, D], and the scope itself [T, D] for y.
#pragma once

#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace gemma {

/// Normalizes each row of x [T, D]; weight is w [D]. Returns [T, D]. Throws an Error when the weight does not fit.
Matrix rms_norm(const Matrix& x, const Vector& weight, float eps, Trace trace = {},
                Precision precision = Precision::float32);

}  // namespace gemma
