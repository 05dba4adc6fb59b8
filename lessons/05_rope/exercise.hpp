// Exercise of lesson 05: RoPE.
//
//   θ_j        = theta^(-2j/d)                         j = 0 … d/2 - 1
//   y_j        = x_j cos(mθ_j) - x_{j+d/2} sin(mθ_j)
//   y_{j+d/2}  = x_j sin(mθ_j) + x_{j+d/2} cos(mθ_j)   for the token at position m
//
// RoFormer (Su et al. 2021), with Gemma's pairs. Write both functions in exercise.cpp and run
// `lessons/run 05 --exercise`. The arguments are those of gemma/components/rope.hpp.
#pragma once

#include "gemma/components/rope.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>

namespace exercise {

/// The cosines and sines of positions first_position … first_position + T - 1, [T, d/2] each.
///
/// Shows, in this order: "frequencies" [d/2], "angles" [T, d/2], "cos" and "sin" [T, d/2].
gemma::Rotation rope_rotation(std::size_t first_position, std::size_t tokens, std::size_t head_dim,
                              float theta = 10000.0f, gemma::Trace trace = {});

/// Turns each head of each token: x [T, heads, d] into [T, heads, d].
///
/// Shows, in this order: "first_half" and "second_half" of the result [T, heads, d/2], and the result, "turned".
gemma::Tensor3 rope(gemma::Tensor3 x, const gemma::Rotation& rotation, gemma::Trace trace = {});

}  // namespace exercise
