// From the last layer's vectors to the next token. Fill in the places marked "your code", in any order; then
//
//   lessons/run 10 --exercise
//
// compares each tensor that is shown to the trace with the right one and names the first wrong one.

#include "lessons/10_forward_pass/exercise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace exercise {

using gemma::Matrix;
using gemma::Vector;

Matrix logits(const Matrix& x, const Vector& norm_weight, float eps, const gemma::WeightMatrix& embedding,
              gemma::Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1), V = embedding.rows;

    // mean_square[t] = (1/D) Σ_i x[t, i]²                                   [T]
    Vector mean_square = xt::zeros<float>({T});
    // your code: the mean of the squares of each row of x
    trace("model.norm.mean_square", mean_square);

    // normalized[t, i] = x[t, i] / √(mean_square[t] + ε)                    [T, D]
    Matrix normalized = xt::zeros<float>({T, D});
    // your code: each row of x, brought to length √D
    static_cast<void>(eps);
    trace("model.norm.normalized", normalized);

    // norm[t, i] = normalized[t, i] · (1 + w[i])                            [T, D]
    Matrix norm = xt::zeros<float>({T, D});
    // your code: the learned scale, one number for each column
    static_cast<void>(norm_weight);
    trace("model.norm", norm);

    // logits[t, v] = Σ_i norm[t, i] · E[v, i]                               [T, V]
    // E is stored as bfloat16: gemma::copy_row reads one of its rows as float32.
    Matrix result = xt::zeros<float>({T, V});
    std::vector<float> row(D);
    for (std::size_t v = 0; v < V; ++v) {
        gemma::copy_row(embedding, v, row.data());
        // your code: the product of `row` with each row of norm, into column v of the result
    }
    trace("lm_head", result);
    return result;
}

int next_token(const Matrix& logits, gemma::Trace trace) {
    const std::size_t T = logits.shape(0), V = logits.shape(1);

    // probs[v] = exp(l[v] - max l) / Σ_u exp(l[u] - max l)   with l the last row of the logits    [V]
    Vector probs = xt::zeros<float>({V});
    // your code: the softmax of row T - 1; without "- max l", exp is infinite from 89 on
    static_cast<void>(T);
    trace("probs", probs);

    // next_token = the v with the largest probs[v]                          [1]
    int token = 0;
    // your code: which one is it?
    Vector shown = {static_cast<float>(token)};
    trace("next_token", shown);
    return token;
}

}  // namespace exercise
