// The logit lens: what the model would say if a layer were its last one. The final norm and the embedding turn the
// layer's output into logits, as they do after the last layer.
//
// interpreting GPT: the logit lens (nostalgebraist 2020), https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/trace/record.hpp"

#include <cstddef>
#include <limits>
#include <vector>

namespace viz {

/// The logits [T, V] of hidden states x [T, D]. Of the last layer's output they are the model's own.
gemma::Matrix lens_logits(const gemma::Matrix& x, const gemma::Model& model);

/// What the lens shows at one layer and token of the text. Without likeliest where the layer's output was not recorded
/// or its logits are no numbers.
struct Reading {
    std::vector<gemma::TokenProbability> likeliest;  // the next tokens, likeliest first
    /// Of the token that the last layer makes likeliest; rank 1 is the likeliest, 0: the last layer was not recorded.
    float answer_probability = 0;
    std::size_t answer_rank = 0;
};

struct LensOptions {
    std::size_t most_rows = std::numeric_limits<std::size_t>::max();  // the last ones of the record
    std::size_t likeliest = 5;                                        // tokens for each layer and token of the text
};

struct LogitLens {
    std::size_t first = 0;  // its rows are those of the record from this one on
    /// For each row; empty where the tensor was not recorded.
    std::vector<Reading> embedding;            // what enters layer 0: model.embed_scaled
    std::vector<std::vector<Reading>> layers;  // each layer's output

    bool empty() const;
};

/// Reads the outputs of all layers in the record, and the embedding. Tensors that do not have the model's hidden size
/// are passed over.
LogitLens logit_lens(const gemma::Record& record, const gemma::Model& model, const LensOptions& options = {});

}  // namespace viz
