// RoPE, rotary position embedding: turn the pairs of numbers of a query or key by angles that grow with its position.
//
//   θ_j  = theta^(-2j/d)                          the frequency of pair j = 0 … d/2 - 1
//   y_j        = x_j cos(mθ_j) - x_{j+d/2} sin(mθ_j)
//   y_{j+d/2}  = x_j sin(mθ_j) + x_{j+d/2} cos(mθ_j)      for the token at position m
//
// RoFormer: Enhanced Transformer with Rotary Position Embedding (Su et al. 2021). Positions are absolute when a
// vector is turned, yet a query at m and a key at n meet at the angle (m - n)θ_j: their product knows the distance
// only.
//
// What Gemma does differently from the paper: the partner of number j is j + d/2 ("half-split"), not its neighbour;
// the two are the same up to the order of the numbers, but a checkpoint fits one of them only. Queries and keys are
// turned, values are not. Angles and the turn are float32, theta = 10000.
//
// Trace points: none of its own; attention shows the turned tensors as .q_rope and .k_rope.
#pragma once

#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>

namespace gemma {

/// The cosines and sines of T positions in a row: [T, d/2] each.
struct Rotation {
    Matrix cos;
    Matrix sin;
};

/// θ_j for j = 0 … d/2 - 1: [d/2]. Throws an Error when head_dim is odd.
Vector rope_frequencies(std::size_t head_dim, float theta = 10000.0f);

/// The rotation of the tokens at positions first_position … first_position + T - 1.
Rotation rope_rotation(std::size_t first_position, std::size_t tokens, std::size_t head_dim, float theta = 10000.0f);

/// Turns each head of each token: x is [T, heads, d]; the same angles for all heads. Returns [T, heads, d].
Tensor3 rope(Tensor3 x, const Rotation& rotation, Precision precision = Precision::float32);

}  // namespace gemma
