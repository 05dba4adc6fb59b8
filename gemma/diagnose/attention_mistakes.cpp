// What goes wrong in attention: softmax(query keyᵀ / √d, no later token) value, H query heads on K key/value heads.
#include "gemma/diagnose/edits.hpp"

#include "gemma/linear/linear.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace gemma {

namespace {

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

// ---- the projections ------------------------------------------------------------------------------------------------

// y = x Wᵀ with another W: x is the norm's output.
StepEdit projected(const std::string& step, WeightMatrix AttentionWeights::*weight) {
    return {StepEdit::computes, step, [weight](const Seen& seen, const TensorView& y) {
                const Matrix product = linear(seen.matrix("norm"), seen.layer().self_attn.*weight, seen.precision());
                std::copy_n(product.data(), product.size(), y.data);
            }};
}

// ---- scores ---------------------------------------------------------------------------------------------------------

// Scores that are divided by √d come times a factor.
Edits scaled(float (*factor)(float d, float D, float H)) {
    return {{StepEdit::adjusts, "self_attn.scores", [factor](const Seen& seen, const TensorView& y) {
                 const Config& config = seen.config();
                 const float scale = factor(static_cast<float>(config.head_dim), static_cast<float>(config.hidden_size),
                                            static_cast<float>(config.num_attention_heads));
                 for (std::size_t i = 0; i < y.size(); ++i) y.data[i] *= scale;
             }}};
}

// Gemma 2 keeps scores between -50 and 50.
Edits soft_capped() {
    return {{StepEdit::adjusts, "self_attn.scores", [](const Seen&, const TensorView& y) {
                 for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = 50.0f * std::tanh(y.data[i] / 50.0f);
             }}};
}

// Query head h takes key/value head h mod K, where it is h / (H/K): one of its own for each query head.
KeyValues tiled(const Seen& seen) {
    const Tensor3 key = seen.tensor3("self_attn.k_rope"), value = seen.tensor3("self_attn.v_proj");
    const std::size_t T = key.shape(0), K = key.shape(1), d = key.shape(2), H = seen.config().num_attention_heads;
    Tensor3 keys = Tensor3::from_shape({T, H, d}), values = Tensor3::from_shape({T, H, d});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < H; ++h) {
            std::copy_n(&key(t, h % K, 0), d, &keys(t, h, 0));
            std::copy_n(&value(t, h % K, 0), d, &values(t, h, 0));
        }
    }
    KeyValues past(H, T, d);
    past.append(keys, values);
    return past;
}

Edits tiled_heads() {
    return {{StepEdit::computes, "self_attn.scores",
             [](const Seen& seen, const TensorView& y) {
                 assign(y, attention_scores(seen.tensor3("self_attn.q_rope"), tiled(seen), seen.precision()));
             }},
            {StepEdit::computes, "self_attn.context", [](const Seen& seen, const TensorView& y) {
                 assign(y, attention_context(seen.tensor3("self_attn.probs"), tiled(seen), seen.precision()));
             }}};
}

// ---- mask and softmax -----------------------------------------------------------------------------------------------

void softmax_of_row(float* row, std::size_t S) {
    const float largest = *std::max_element(row, row + S);
    double total = 0;
    for (std::size_t s = 0; s < S; ++s) total += static_cast<double>(row[s] = std::exp(row[s] - largest));
    for (std::size_t s = 0; s < S; ++s) row[s] /= static_cast<float>(total);
}

template <typename Row>
Edits rows_of_probs(const Row& row) {
    return {{StepEdit::computes, "self_attn.probs", [row](const Seen& seen, const TensorView& y) {
                 Tensor3 scores = seen.tensor3("self_attn.scores");  // [H, T, S]
                 for (std::size_t h = 0; h < scores.shape(0); ++h) {
                     for (std::size_t t = 0; t < scores.shape(1); ++t) row(&scores(h, t, 0), t, scores.shape(2));
                 }
                 assign(y, scores);
             }}};
}

// Softmax of scores on which a mask was laid in a mistaken way: of the token at t for the one at s.
Edits masked(float (*mask)(float score, std::size_t t, std::size_t s)) {
    return rows_of_probs([mask](float* row, std::size_t t, std::size_t S) {
        for (std::size_t s = 0; s < S; ++s) row[s] = mask(row[s], t, s);
        softmax_of_row(row, S);
    });
}

// Probabilities over all tokens, of which the later ones' are then set to 0: the rest no longer sums to 1.
void mask_after_softmax(float* row, std::size_t t, std::size_t S) {
    softmax_of_row(row, S);
    std::fill(row + t + 1, row + S, 0.0f);
}

// exp(x) / Σ exp(x): infinite for numbers over 88, and infinite / infinite is no number.
void softmax_without_max(float* row, std::size_t t, std::size_t S) {
    float total = 0;
    for (std::size_t s = 0; s <= t; ++s) total += row[s] = std::exp(row[s]);
    for (std::size_t s = 0; s <= t; ++s) row[s] /= total;
    std::fill(row + t + 1, row + S, 0.0f);
}

void softmax_in_bfloat16(float* row, std::size_t t, std::size_t S) {
    for (std::size_t s = 0; s <= t; ++s) row[s] = to_bfloat16(row[s]);
    const float largest = *std::max_element(row, row + t + 1);
    double total = 0;
    for (std::size_t s = 0; s <= t; ++s) {
        row[s] = to_bfloat16(std::exp(to_bfloat16(row[s] - largest)));
        total += static_cast<double>(row[s]);
    }
    const float sum = to_bfloat16(static_cast<float>(total));
    for (std::size_t s = 0; s <= t; ++s) row[s] = to_bfloat16(row[s] / sum);
    std::fill(row + t + 1, row + S, 0.0f);
}

// ---- the output -----------------------------------------------------------------------------------------------------

// context [T, H, d] lies in memory as [H, T, d] when o_proj reads its rows of H·d numbers.
Edits heads_not_transposed() {
    return {{StepEdit::computes, "self_attn.o_proj", [](const Seen& seen, const TensorView& y) {
                 const Tensor3 context = seen.tensor3("self_attn.context");
                 const std::size_t T = context.shape(0), H = context.shape(1), d = context.shape(2);
                 Matrix rows = Matrix::from_shape({T, H * d});
                 float* next = rows.data();
                 for (std::size_t h = 0; h < H; ++h) {
                     for (std::size_t t = 0; t < T; ++t) next = std::copy_n(&context(t, h, 0), d, next);
                 }
                 assign(y, linear(rows, seen.layer().self_attn.o_proj, seen.precision()));
             }}};
}

}  // namespace

std::vector<KnownMistake> attention_mistakes() {
    const std::string attention = "model.layers.0.self_attn.";
    const std::string key = attention + "k_proj", scores = attention + "scores", probs = attention + "probs",
                      output = attention + "o_proj";
    return {
        {{"key-value-swapped", "keys and values are made with each other's weights", key,
          "the parts of a fused qkv matrix in another order"},
         {projected("self_attn.k_proj", &AttentionWeights::v_proj),
          projected("self_attn.v_proj", &AttentionWeights::k_proj)}},
        {{"scale-missing", "scores are not divided by √d", scores, "a line left out, or a kernel told scale = 1"},
         scaled([](float d, float, float) { return std::sqrt(d); })},
        {{"scale-twice", "scores are divided by √d twice: by d", scores,
          "a query scaled beforehand and a kernel that scales by itself"},
         scaled([](float d, float, float) { return 1.0f / std::sqrt(d); })},
        {{"scale-head-dim", "scores are divided by √(D/H), where head_dim is a number of its own", scores,
          "Llama's code, where d is D/H; Gemma 7B has 256, not 192"},
         scaled([](float d, float D, float H) { return std::sqrt(d) / std::sqrt(D / H); })},
        {{"scale-hidden", "scores are divided by √D and not √d", scores, "a mixed-up size"},
         scaled([](float d, float D, float) { return std::sqrt(d) / std::sqrt(D); })},
        {{"scores-capped", "scores are 50 tanh(score / 50)", scores, "Gemma 2 does so (Gemma Team 2024)"},
         soft_capped()},
        {{"heads-tiled", "query head h takes key/value head h mod K and not h / (H/K): tiled, not repeated", scores,
          "tile and repeat in place of repeat_interleave; it shows for 1 < K < H"},
         tiled_heads()},
        {{"mask-missing", "no mask: each token sees those after it", probs, "a line left out"},
         masked([](float score, std::size_t, std::size_t) { return score; })},
        {{"mask-off-by-one", "each token sees the next one, too", probs, "triu with the wrong diagonal"},
         masked([](float score, std::size_t t, std::size_t s) { return s <= t + 1 ? score : minus_infinity; })},
        {{"mask-hides-self", "no token sees itself; the first, which sees nothing, weighs all alike", probs,
          "triu with the wrong diagonal, and a large finite number for minus infinity"},
         masked([](float score, std::size_t t, std::size_t s) {
             return t == 0 ? 0.0f : s < t ? score : minus_infinity;
         })},
        {{"mask-zero", "the scores of later tokens become 0 and not minus infinity", probs,
          "scores multiplied by a mask of 0 and 1"},
         masked([](float score, std::size_t t, std::size_t s) { return s <= t ? score : 0.0f; })},
        {{"mask-minus-one", "the scores of later tokens are only 1 lower", probs,
          "a boolean mask of 0 and 1 that is added as numbers"},
         masked([](float score, std::size_t t, std::size_t s) { return s <= t ? score : score - 1.0f; })},
        {{"mask-minus-ten", "the scores of later tokens are only 10 lower", probs, "a small number for minus infinity"},
         masked([](float score, std::size_t t, std::size_t s) { return s <= t ? score : score - 10.0f; })},
        {{"mask-after-softmax", "the probabilities of later tokens are set to 0 after softmax: they sum to less than 1",
          probs, "mask and softmax in the wrong order"},
         rows_of_probs(mask_after_softmax)},
        {{"softmax-without-max", "softmax that does not subtract the maximum: no number for scores over 88", probs,
          "the formula as it stands"},
         rows_of_probs(softmax_without_max)},
        {{"softmax-bfloat16", "softmax computed in bfloat16", probs,
          "a softmax without the float32 that Gemma asks for"},
         rows_of_probs(softmax_in_bfloat16),
         {},
         true},
        {{"heads-not-transposed", "o_proj reads [H, T, d] as if it were [T, H·d]", output,
          "a reshape without the transpose before it"},
         heads_not_transposed()},
    };
}

}  // namespace gemma
