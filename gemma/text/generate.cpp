#include "gemma/text/generate.hpp"

#include "gemma/error.hpp"
#include "gemma/trace/first_not_finite.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace gemma {

namespace {

void require_room(std::size_t context, std::size_t past, std::size_t prompt) {
    if (prompt == 0) fail("the prompt has no tokens, expected at least one");
    if (past + prompt > context) {
        fail("the prompt has {} tokens after {}, expected at most {} in all", prompt, past, context);
    }
}

// Reads the prompt piece by piece; only its last token needs logits: [1, V].
Matrix prefill(const Model& model, KVCache& cache, const std::vector<int>& prompt, Trace trace) {
    const std::size_t past = cache.length();
    try {
        auto piece = prompt.begin();
        for (; prompt.end() - piece > static_cast<std::ptrdiff_t>(prefill_tokens); piece += prefill_tokens) {
            model.read({piece, piece + prefill_tokens}, cache, trace);
        }
        return model.forward_last({piece, prompt.end()}, cache, trace);
    } catch (...) {
        cache.truncate(past);
        throw;
    }
}

bool contains(const std::vector<int>& tokens, int token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

bool are_finite(const Matrix& logits) {
    return std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); });
}

// Logits that are no numbers choose no token. Where they come from is found by running all tokens since `past` again.
[[noreturn]] void name_not_finite(const Model& model, KVCache& cache, std::size_t past,
                                  const std::vector<int>& tokens) {
    cache.truncate(past);
    FirstNotFinite first;
    prefill(model, cache, tokens, Trace(first));
    cache.truncate(past);
    if (first.name().empty()) fail("the edits make logits that are no numbers, expected a finite number each");
    fail("{} is the first tensor with NaN or infinity, expected finite numbers (gemma inspect --check: the weights')",
         first.name());
}

std::vector<int> joined(std::vector<int> tokens, const std::vector<int>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
}

}  // namespace

std::size_t context_size(const Model& model, const KVCache& cache) {
    return std::min(cache.capacity(), model.config().max_position_embeddings);
}

Generation generate(const Model& model, KVCache& cache, const std::vector<int>& prompt, Sampler& sampler,
                    const GenerateOptions& options, const OnToken& on_token, Trace trace) {
    const std::size_t context = context_size(model, cache), past = cache.length();
    require_room(context, past, prompt.size());

    std::vector<int> tokens;
    Matrix logits = prefill(model, cache, prompt, trace);
    while (true) {
        if (tokens.size() == options.max_tokens) return {tokens, Stop::max_tokens};
        if (cache.length() == context) return {tokens, Stop::context_full};
        if (!are_finite(logits)) name_not_finite(model, cache, past, joined(prompt, tokens));
        const int token = sampler(logits);
        if (contains(options.stop_tokens, token)) return {tokens, Stop::stop_token};
        tokens.push_back(token);
        const bool go_on = !on_token || on_token(token);
        logits = model.forward_last({token}, cache, trace);
        if (!go_on) return {tokens, Stop::asked};
    }
}

}  // namespace gemma
