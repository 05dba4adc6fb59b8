// A model of any size in memory, without a file: random bfloat16 weights, filled in seconds.
//
// The numbers are those of `gemma random` (mean 0, standard deviation 1/√in; norms 0.1), but of each kind only a block
// is made, and the matrices repeat it: how long a forward pass takes does not depend on what the numbers are. The
// block's length is a prime, so that no two neighbouring rows are the same.
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/model/weights.hpp"

#include <cstddef>

namespace gemma::bench {

/// Bytes of the weights of a model with this config, in bfloat16.
std::size_t weight_bytes(const Config& config);

/// All weights of a model with this config, in bfloat16.
Weights random_weights(const Config& config);

}  // namespace gemma::bench
