// Exercise of lesson 04: sinusoidal positions.
//
//   θ_j         = 10000^(-2j/D)        j = 0 … D/2 - 1
//   p(m)_{2j}   = sin(m θ_j)
//   p(m)_{2j+1} = cos(m θ_j)
//
// Attention Is All You Need (Vaswani et al. 2017), section 3.5. Write it in exercise.cpp and run
// `lessons/run 04 --exercise`.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>

namespace exercise {

/// The vectors of positions first_position … first_position + T - 1: [T, D], D even.
///
/// Shows, in this order: "frequencies" [D/2], "angles" [T, D/2], "positions" [T, D].
gemma::Matrix sinusoidal_positions(std::size_t first_position, std::size_t tokens, std::size_t hidden_size,
                                   gemma::Trace trace = {});

}  // namespace exercise
