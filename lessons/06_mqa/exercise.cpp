// Fill in the three places that say "your code", then: lessons/run 06 --exercise
//
// For each of H query heads h, with its key/value head k = h / (H / K) (whole numbers, rounded down):
//
//   scores(h, t, s)  = Σ_i query(t, h, i) · key(s, k, i) / √d           for s ≤ t
//   probs(h, t, s)   = e^scores(h, t, s) / Σ_{r ≤ t} e^scores(h, t, r)  for s ≤ t, and 0 for the later tokens
//   context(t, h, i) = Σ_{s ≤ t} probs(h, t, s) · value(s, k, i)
//
// An entry is read and written as scores(h, t, s), and has an initial value of 0.

#include "lessons/06_mqa/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Tensor3 attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                         gemma::Trace trace) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2);
    const std::size_t K = key.shape(1);
    // As shipped, the sizes and the inputs are not used yet; take these two lines away.
    static_cast<void>(K);
    static_cast<void>(value);

    // scores [H, T, T]: each query head against the keys of its key/value head. Fill in s ≤ t only.
    gemma::Tensor3 scores = gemma::Tensor3::from_shape({H, T, T});
    scores.fill(0.0f);
    // your code: scores
    trace("scores", scores);

    // probs [H, T, T]: the softmax of each row (h, t) over the tokens 0 … t. Subtract the row's largest score before
    // the exponential: it changes nothing in the quotient, and large scores do not overflow.
    gemma::Tensor3 probs = gemma::Tensor3::from_shape({H, T, T});
    probs.fill(0.0f);
    // your code: probs
    trace("probs", probs);

    // context [T, H, d]: the values of each query head's key/value head, weighted by its probabilities.
    gemma::Tensor3 context = gemma::Tensor3::from_shape({T, H, d});
    context.fill(0.0f);
    // your code: context
    trace("context", context);
    return context;
}

}  // namespace exercise
