// The loss of a language model: how surprised it is by the tokens that really come.
//
//   loss = mean over t of  -ln p(token t+1 | tokens 0 … t)      in nats a token; e^loss is the perplexity
#pragma once

#include "gemma/components/softmax.hpp"
#include "gemma/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace lesson {

/// logits [T, V] of the T tokens. The first `given` tokens, at least one, are not to be guessed.
inline double loss(const gemma::Matrix& logits, const std::vector<int>& tokens, std::size_t given = 1) {
    double sum = 0;
    for (std::size_t t = given; t < tokens.size(); ++t) {
        gemma::Vector row = gemma::Vector::from_shape({logits.shape(1)});
        std::copy_n(&logits(t - 1, 0), row.size(), row.data());
        sum -= std::log(gemma::softmax(row)(static_cast<std::size_t>(tokens[t])));
    }
    return sum / static_cast<double>(tokens.size() - given);
}

}  // namespace lesson
