// Where the time of a forward pass goes, component by component.
//
// The components have no clocks inside. Instead a pass is made here of the same calls, with the model's own weights, in
// the order and the shapes of the forward pass, and a clock is read between them. What the real pass takes beyond their
// sum is the rest: embedding, angles of RoPE, residual sums, drawing the token, and noise.
#pragma once

#include "gemma/model/kv_cache.hpp"
#include "gemma/model/model.hpp"

#include <cstddef>

namespace gemma::bench {

/// Seconds.
struct ComponentSeconds {
    double attention = 0;
    double projections = 0;  // of the attention: its four linear maps; the rest of it is work over the tokens so far
    double mlp = 0;
    double norms = 0;
    double logits = 0;

    double sum() const { return attention + mlp + norms + logits; }
};

/// Reading a prompt of so many tokens, in the pieces in which generate() reads it. The cache holds them afterwards.
ComponentSeconds time_prefill(const Model& model, KVCache& cache, std::size_t tokens);

/// One token after those in the cache, which stays as it is; the mean of `passes` passes.
ComponentSeconds time_decode(const Model& model, KVCache& cache, std::size_t passes);

}  // namespace gemma::bench
