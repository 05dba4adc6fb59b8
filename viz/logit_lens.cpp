#include "viz/logit_lens.hpp"

#include "gemma/components/rms_norm.hpp"
#include "gemma/components/softmax.hpp"
#include "gemma/linear/linear.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace viz {

using gemma::Matrix;
using gemma::TokenProbability;

namespace {

std::vector<TokenProbability> likeliest_of(float* logits, std::size_t V) {
    if (!std::all_of(logits, logits + V, [](float logit) { return std::isfinite(logit); })) return {};
    gemma::softmax(logits, V);
    std::vector<int> order(V);
    std::iota(order.begin(), order.end(), 0);
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(V, LogitLens::likeliest));
    std::partial_sort(order.begin(), end, order.end(),
                      [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
    std::vector<TokenProbability> likeliest;
    for (auto token = order.begin(); token != end; ++token) likeliest.push_back({*token, logits[*token]});
    return likeliest;
}

// The last rows of a layer's output [T, D].
Matrix last_rows(const gemma::RecordedTensor& output, std::size_t rows) {
    Matrix x = Matrix::from_shape({rows, output.shape[1]});
    std::copy(output.numbers.end() - static_cast<std::ptrdiff_t>(x.size()), output.numbers.end(), x.begin());
    return x;
}

std::vector<std::vector<TokenProbability>> read_layer(const Matrix& x, const gemma::Model& model) {
    const gemma::Weights& weights = model.weights();
    Matrix logits = gemma::linear(gemma::rms_norm(x, weights.norm, model.config().rms_norm_eps), weights.embed_tokens);
    std::vector<std::vector<TokenProbability>> rows;
    for (std::size_t t = 0; t < logits.shape(0); ++t) rows.push_back(likeliest_of(&logits(t, 0), logits.shape(1)));
    return rows;
}

}  // namespace

bool LogitLens::empty() const {
    return std::all_of(layers.begin(), layers.end(), [](const auto& rows) { return rows.empty(); });
}

LogitLens logit_lens(const gemma::Record& record, const gemma::Model& model, std::size_t most_rows) {
    const std::vector<std::string> names = record.names();
    LogitLens lens;
    lens.layers.resize(model.config().num_hidden_layers);
    for (std::size_t i = 0; i < lens.layers.size(); ++i) {
        const std::string name = "model.layers." + std::to_string(i);
        if (std::find(names.begin(), names.end(), name) == names.end()) continue;
        const gemma::Shape shape = record.shape(name);
        if (shape.size() != 2 || shape[0] == 0 || shape[1] != model.config().hidden_size) continue;
        const std::size_t rows = std::min(shape[0], most_rows);
        lens.first = shape[0] - rows;
        lens.layers[i] = read_layer(last_rows(record.tensor(name), rows), model);
    }
    return lens;
}

}  // namespace viz
