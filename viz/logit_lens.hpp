// The logit lens: what the model would say if a layer were its last one. The final norm and the embedding turn the
// layer's output into logits, as they do after the last layer.
//
// interpreting GPT: the logit lens (nostalgebraist 2020), https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/trace/record.hpp"

#include <cstddef>
#include <vector>

namespace viz {

struct LogitLens {
    static constexpr std::size_t likeliest = 5;  // tokens for each layer and token of the text

    std::size_t first = 0;  // its rows are those of the record from this one on
    /// For each layer, for each row, the likeliest next tokens; empty for a layer whose output was not recorded, and
    /// for a row whose logits are no numbers.
    std::vector<std::vector<std::vector<gemma::TokenProbability>>> layers;

    bool empty() const;
};

/// Reads the outputs of all layers in the record, of its last `most_rows` rows. Outputs that do not have the model's
/// hidden size are passed over.
LogitLens logit_lens(const gemma::Record& record, const gemma::Model& model, std::size_t most_rows);

}  // namespace viz
