// What goes wrong before the first layer: the tokens, and the embedding's factor √D.
#include "gemma/diagnose/edits.hpp"

#include <cmath>

namespace gemma {

namespace {

// x = E[token] · factor(D)
Edits scaled(float (*factor)(const Seen&)) {
    return {{StepEdit::computes, "model.embed_scaled", [factor](const Seen& seen, const TensorView& y) {
                 Matrix x = seen.matrix("model.embed_tokens");
                 const float scale = factor(seen);
                 for (float& value : x) value *= scale;
                 assign(y, x);
             }}};
}

float root(const Seen& seen) { return std::sqrt(static_cast<float>(seen.config().hidden_size)); }

// Gemma rounds √D to the numbers that it computes in; the mistake is the other way.
float root_of_other_precision(const Seen& seen) {
    return seen.precision() == Precision::float32 ? to_bfloat16(root(seen)) : root(seen);
}

std::vector<int> without_first(std::vector<int> tokens) {
    if (tokens.size() > 1) tokens.erase(tokens.begin());
    return tokens;
}

std::vector<int> with_first_twice(std::vector<int> tokens) {
    if (!tokens.empty()) tokens.insert(tokens.begin(), tokens.front());
    return tokens;
}

}  // namespace

std::vector<KnownMistake> embedding_mistakes() {
    const std::string embedding = "model.embed_scaled";
    return {
        {{"bos-missing", "no bos before the prompt", "tokens", "tokenizers that add none unless told to"},
         {},
         without_first},
        {{"bos-twice", "two bos before the prompt", "tokens",
          "a chat template with <bos> and a tokenizer that adds one"},
         {},
         with_first_twice},
        {{"embedding-unscaled", "the embedding without its factor √D", embedding, "Llama and GPT-2 have no factor"},
         scaled([](const Seen&) { return 1.0f; })},
        {{"embedding-scale-precision",
          "√D in bfloat16 where the rest is float32 (√3072 = 55.4256 becomes 55.5), or the other way round", embedding,
          "Fixing Gemma Bugs (D. Han, M. Han 2024)"},
         scaled(root_of_other_precision)},
        {{"embedding-divided", "the embedding divided by √D", embedding, "a factor taken for attention's 1/√d"},
         scaled([](const Seen& seen) { return 1.0f / root(seen); })},
    };
}

}  // namespace gemma
