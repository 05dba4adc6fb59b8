// Generation: the prompt through the model, then one token at a time, each drawn from the logits before it.
//
//   prefill   t_1 … t_n → logits         many tokens a pass: the work is matrix products
//   decode    t_{n+1} → logits           one token a pass: the work is reading all weights once
//   ...
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <functional>
#include <vector>

namespace gemma {

/// A prompt is read in pieces of so many tokens: beyond this, larger matrix products are hardly faster.
constexpr std::size_t prefill_tokens = 256;

struct GenerateOptions {
    std::size_t max_tokens = 256;
    std::vector<int> stop_tokens = {SpecialTokens::eos, SpecialTokens::end_of_turn};
};

/// Why generation ended: a stop token was drawn; max_tokens were generated; cache or context have no room for another;
/// the caller asked to stop.
enum class Stop { stop_token, max_tokens, context_full, asked };

struct Generation {
    std::vector<int> tokens;  // without the stop token
    Stop stop;
};

/// Called with each new token as it comes; false asks to stop. A stop token is not shown.
using OnToken = std::function<bool(int token)>;

/// The tokens that a conversation may have in all: the cache's capacity or the longest context of the model, whichever
/// is less.
std::size_t context_size(const Model& model, const KVCache& cache);

/// Continues a prompt of at least one token. The cache may hold what came before; afterwards it holds the prompt and
/// the generated tokens as well, so that a conversation goes on with what comes next (a stop token is not in it). The
/// prompt is read in pieces of a few hundred tokens, so that memory stays small; each piece and each generated token is
/// a forward pass of its own to the trace. Throws an Error, with the cache as it was, when the prompt is over the
/// context or holds an unknown token.
Generation generate(const Model& model, KVCache& cache, const std::vector<int>& prompt, Sampler& sampler,
                    const GenerateOptions& options, const OnToken& on_token = {}, Trace trace = {});

}  // namespace gemma
