// Scores that are not divided by √d.
#include "lessons/11_kv_cache/exercise.hpp"

#include "gemma/components/mqa.hpp"
#include "gemma/components/softmax.hpp"

#include <cmath>

gemma::Tensor3 exercise::cached_attention(const gemma::Tensor3& query, const gemma::Tensor3& key,
                                          const gemma::Tensor3& value, gemma::KeyValues& past, gemma::Trace trace) {
    past.append(key, value);
    gemma::Tensor3 scores = gemma::attention_scores(query, past);
    scores *= std::sqrt(static_cast<float>(query.shape(2)));
    trace("scores", scores);
    gemma::Tensor3 probs = gemma::causal_softmax(scores);
    trace("probs", probs);
    gemma::Tensor3 context = gemma::attention_context(probs, past);
    trace("context", context);
    return context;
}
