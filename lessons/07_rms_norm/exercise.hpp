// The exercise of lesson 07: RMSNorm.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace exercise {

/// Normalizes each row of x [T, D]; weight is w [D]. Returns [T, D]. Shows ".mean_square" [T], ".normalized" [T, D]
/// and, as the scope itself, the result to the trace.
gemma::Matrix rms_norm(const gemma::Matrix& x, const gemma::Vector& weight, float eps, gemma::Trace trace = {});

}  // namespace exercise
