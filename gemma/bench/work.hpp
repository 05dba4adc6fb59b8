// How much work a forward pass is, from the config alone: what the measured times are held against.
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/precision.hpp"

#include <cstddef>

namespace gemma::bench {

/// Multiplications and additions that reading a prompt of T tokens takes, up to the logits of its last token:
///
///   2 · T · (numbers of the attention's and the MLP's matrices)     each number meets each token once
///   2 · V · D                                                      the logits of one token
///   4 · L · H · d · T (T + 1) / 2                                  scores and context: a token meets itself and those
///                                                                  before it
///
/// Norms, activations and softmax, which are linear in the tokens and small, are left out.
double prefill_operations(const Config& config, std::size_t tokens);

/// Bytes of the keys and values of so many tokens: 2 · L · K · d numbers a token, of 4 bytes in float32 precision and 2
/// in bfloat16.
std::size_t cache_bytes(const Config& config, std::size_t tokens, Precision precision);

}  // namespace gemma::bench
