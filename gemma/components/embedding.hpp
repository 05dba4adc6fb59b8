// Embedding: a token id picks a row of a learned table.
//
//   x_t = E[token_t] · √D
//
// Attention Is All You Need (Vaswani et al. 2017), section 3.4, for the factor √D.
//
// What Gemma does: the same table, transposed, turns the last hidden state into logits ("tied" embeddings,
// Press, Wolf 2016), so a model has no lm_head of its own. In bfloat16 precision √D is itself rounded to bfloat16.
//
// Trace points: .embed_tokens, .embed_scaled [T, D].
#pragma once

#include "gemma/linear/linear.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <vector>

namespace gemma {

/// The scaled rows of the table [V, D] for T tokens: [T, D]. Throws an Error for a token that is not in 0 … V - 1.
Matrix embed(const std::vector<int>& tokens, const WeightMatrix& table, Trace trace = {},
             Precision precision = Precision::float32);

}  // namespace gemma
