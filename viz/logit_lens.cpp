#include "viz/logit_lens.hpp"

#include "gemma/components/rms_norm.hpp"
#include "gemma/components/softmax.hpp"
#include "gemma/linear/linear.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

namespace viz {

using gemma::Matrix;

namespace {

constexpr std::size_t rows_at_once = 64;  // of logits, each as long as the vocabulary

constexpr int no_answer = -1;

// Ties go to the lower id.
bool likelier(const float* logits, int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; }

Reading reading_of(float* logits, std::size_t V, std::size_t count, int answer) {
    if (!std::all_of(logits, logits + V, [](float logit) { return std::isfinite(logit); })) return {};
    gemma::softmax(logits, V);
    std::vector<int> order(V);
    std::iota(order.begin(), order.end(), 0);
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(V, count));
    std::partial_sort(order.begin(), end, order.end(), [&](int a, int b) { return likelier(logits, a, b); });
    Reading reading;
    for (auto token = order.begin(); token != end; ++token) reading.likeliest.push_back({*token, logits[*token]});
    if (answer == no_answer) return reading;
    const auto before = std::count_if(order.begin(), order.end(), [&](int a) { return likelier(logits, a, answer); });
    reading.answer_probability = logits[answer];
    reading.answer_rank = static_cast<std::size_t>(before) + 1;
    return reading;
}

// The outputs of a record, read through the lens: those of the last `rows` tokens.
class Lens {
public:
    Lens(const gemma::Record& record, const gemma::Model& model, const LensOptions& options)
        : record_(record), names_(record.names()), model_(model), options_(options) {}

    // The rows of a tensor that the lens can read; nothing for any other.
    std::optional<std::size_t> rows_of(const std::string& name) const {
        if (std::find(names_.begin(), names_.end(), name) == names_.end()) return std::nullopt;
        const gemma::Shape shape = record_.shape(name);
        if (shape.size() != 2 || shape[0] == 0 || shape[1] != model_.config().hidden_size) return std::nullopt;
        return shape[0];
    }

    // A reading for each of the last rows; `answers` are their tokens of the last layer, none where that is not known.
    std::vector<Reading> read(const std::string& name, const std::vector<int>& answers) const {
        const std::optional<std::size_t> recorded = rows_of(name);
        if (!recorded) return {};
        const gemma::RecordedTensor output = record_.tensor(name);
        const std::size_t rows = std::min(*recorded, options_.most_rows), D = output.shape[1];
        const float* numbers = output.numbers.data() + (*recorded - rows) * D;
        std::vector<Reading> readings;
        for (std::size_t begin = 0; begin < rows; begin += rows_at_once) {
            const std::size_t count = std::min(rows_at_once, rows - begin);
            Matrix x = Matrix::from_shape({count, D});
            std::copy_n(numbers + begin * D, count * D, x.begin());
            Matrix logits = lens_logits(x, model_);
            for (std::size_t t = 0; t < count; ++t) {
                const int answer = begin + t < answers.size() ? answers[begin + t] : no_answer;
                readings.push_back(reading_of(&logits(t, 0), logits.shape(1), options_.likeliest, answer));
            }
        }
        return readings;
    }

private:
    const gemma::Record& record_;
    std::vector<std::string> names_;
    const gemma::Model& model_;
    LensOptions options_;
};

// The likeliest token of each of the last layer's rows, where it has rank 1.
std::vector<int> take_answers(std::vector<Reading>& last) {
    std::vector<int> answers;
    for (Reading& reading : last) {
        answers.push_back(no_answer);
        if (reading.likeliest.empty()) continue;
        answers.back() = reading.likeliest.front().token;
        reading.answer_probability = reading.likeliest.front().probability;
        reading.answer_rank = 1;
    }
    return answers;
}

}  // namespace

Matrix lens_logits(const Matrix& x, const gemma::Model& model) {
    const gemma::Weights& weights = model.weights();
    const Matrix normalized = gemma::rms_norm(x, weights.norm, model.config().rms_norm_eps, {}, model.precision());
    return gemma::linear(normalized, weights.embed_tokens, model.precision());
}

bool LogitLens::empty() const {
    return std::all_of(layers.begin(), layers.end(), [](const auto& rows) { return rows.empty(); });
}

LogitLens logit_lens(const gemma::Record& record, const gemma::Model& model, const LensOptions& options) {
    const Lens lens(record, model, options);
    const auto name_of = [](std::size_t layer) { return "model.layers." + std::to_string(layer); };
    LogitLens result;
    result.layers.resize(model.config().num_hidden_layers);
    std::vector<int> answers;
    for (std::size_t i = result.layers.size(); i-- > 0;) {
        const std::optional<std::size_t> rows = lens.rows_of(name_of(i));
        if (rows) result.first = *rows - std::min(*rows, options.most_rows);
        result.layers[i] = lens.read(name_of(i), answers);
        if (i + 1 == result.layers.size()) answers = take_answers(result.layers[i]);
    }
    result.embedding = lens.read("model.embed_scaled", answers);
    return result;
}

}  // namespace viz
