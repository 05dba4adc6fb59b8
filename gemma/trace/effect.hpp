// What an edit does to the next token: the logits of two runs, side by side.
//
//   KL(p ‖ q) = Σ p ln(p / q)      in nats; 0 where q is p, and the larger the more q misses what p expects
//
// On Information and Sufficiency (Kullback, Leibler 1951).
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <vector>

namespace gemma {

/// A token in the clean run and in the edited one.
struct TokenEffect {
    int token;
    float clean_logit, edited_logit;
    double clean_probability, edited_probability;
};

struct Effect {
    std::vector<TokenEffect> likeliest;  // those of the clean run, likeliest first, then those that only the edit has
    TokenEffect most_changed;            // the token whose logit changed most
    double divergence;                   // KL(clean ‖ edited)
};

/// From the logits [V] of a clean run and an edited one; `count` of the likeliest tokens of each. Throws an Error for
/// a logit that is not finite.
Effect effect_of(const Vector& clean, const Vector& edited, std::size_t count);

}  // namespace gemma
