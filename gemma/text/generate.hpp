// Generation: the prompt through the model once, then one token at a time, each drawn from the logits before it.
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <functional>
#include <vector>

namespace gemma {

struct GenerateOptions {
    std::size_t max_tokens = 256;
    std::vector<int> stop_tokens = {SpecialTokens::eos, SpecialTokens::end_of_turn};
};

/// Why generation ended.
enum class Stop { stop_token, max_tokens, context_full, asked };

struct Generation {
    std::vector<int> tokens;  // without the stop token
    Stop stop;
};

/// Called with each new token; false asks to stop.
using OnToken = std::function<bool(int token)>;

/// Continues a prompt of at least one token. The cache may hold what came before; afterwards it holds the prompt and the
/// generated tokens but the last, which no forward pass has read yet. The prompt is read in pieces of a few hundred tokens, so that memory
/// stays small. Throws an Error when the prompt is over the context.
Generation generate(const Model& model, KVCache& cache, const std::vector<int>& prompt, Sampler& sampler,
                    const GenerateOptions& options, const OnToken& on_token = {}, Trace trace = {});

}  // namespace gemma
