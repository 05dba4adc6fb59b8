// Fill in the places that say "your code", then: lessons/run 11 --exercise
//
// `past` keeps the tokens so far, each key/value head with its tokens in a row: past.keys(k, s, i) and
// past.values(k, s, i) for s < past.length. Token t of this call is number past.length + t of all, counted before it
// was added. With k = h / (H / K), the key/value head of query head h:
//
//   scores(h, t, s)  = Σ_i query(t, h, i) · keys(k, s, i) / √d       for the s that token t sees, 0 for later ones
//   probs(h, t, s)   = softmax of the row over the s that token t sees, 0 for later ones
//   context(t, h, i) = Σ_s probs(h, t, s) · values(k, s, i)

#include "lessons/11_kv_cache/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Tensor3 cached_attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                                gemma::KeyValues& past, gemma::Trace trace) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2);
    const std::size_t K = past.keys.shape(0), S = past.length + T;
    // As shipped, these are not used yet; take the lines away.
    static_cast<void>(key);
    static_cast<void>(value);
    static_cast<void>(K);

    // Key and value of token t go behind what is there: from key(t, k, i) to past.keys(k, past.length + t, i). When all
    // are in, past.length is S.
    // your code: keys and values
    gemma::Tensor3 keys = first_tokens(past.keys, S), values = first_tokens(past.values, S);
    trace("keys", keys);
    trace("values", values);

    // scores [H, T, S]. How many of the S tokens does token t see? The last one sees all.
    gemma::Tensor3 scores = gemma::Tensor3::from_shape({H, T, S});
    scores.fill(0.0f);
    // your code: scores
    trace("scores", scores);

    // probs [H, T, S]: the softmax of what is seen.
    gemma::Tensor3 probs = gemma::Tensor3::from_shape({H, T, S});
    probs.fill(0.0f);
    // your code: probs
    trace("probs", probs);

    // context [T, H, d]: values of old and new tokens, weighted by the probabilities.
    gemma::Tensor3 context = gemma::Tensor3::from_shape({T, H, d});
    context.fill(0.0f);
    // your code: context
    trace("context", context);
    return context;
}

}  // namespace exercise
