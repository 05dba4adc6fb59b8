// Checks the exercise of lesson 10.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/components/rms_norm.hpp"
#include "gemma/components/softmax.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/recorder.hpp"
#include "lessons/10_forward_pass/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"
#include "lessons/steps.hpp"

#include <algorithm>

namespace {

using gemma::Matrix;
using gemma::Trace;
using gemma::Vector;

struct Input {
    Matrix x;  // [T, D]
    Vector norm_weight;
    float eps;
    gemma::WeightMatrix embedding;
};

void right(const Input& input, Trace trace) {
    const Matrix norm = gemma::rms_norm(input.x, input.norm_weight, input.eps, trace.scope("model").scope("norm"));
    Matrix logits = gemma::linear(norm, input.embedding);
    trace("lm_head", logits);
    Vector probs = Vector::from_shape({logits.shape(1)});
    std::copy_n(&logits(logits.shape(0) - 1, 0), probs.size(), probs.data());
    probs = gemma::softmax(probs);
    trace("probs", probs);
    const auto largest = std::max_element(probs.begin(), probs.end());
    Vector token = {static_cast<float>(largest - probs.begin())};
    trace("next_token", token);
}

void learner(const Input& input, Trace trace) {
    const Matrix logits = exercise::logits(input.x, input.norm_weight, input.eps, input.embedding, trace);
    exercise::next_token(logits, trace);
}

lesson::Trial trial(const std::string& name, const Input& input) {
    return {name, [&](Trace trace) { right(input, trace); }, [&](Trace trace) { learner(input, trace); }};
}

// What the small model's last layer gives.
Matrix last_layer(const gemma::Model& model, const std::vector<int>& tokens) {
    gemma::Recorder recorder;
    gemma::KVCache cache(model.config(), tokens.size());
    model.read(tokens, cache, Trace(recorder));
    const auto record = recorder.tensor(lesson::layer_name(model.config().num_hidden_layers - 1));
    Matrix x = Matrix::from_shape({record.shape[0], record.shape[1]});
    std::copy(record.numbers.begin(), record.numbers.end(), x.begin());
    return x;
}

void in_a_model(const gemma::Model& random, const std::vector<int>&, const gemma::Record& clean, Trace trace) {
    const std::string last = lesson::layer_name(random.config().num_hidden_layers - 1);
    exercise::logits(lesson::tensor_of<2>(clean, last), random.weights().norm, random.config().rms_norm_eps,
                     random.weights().embed_tokens, trace);
}

}  // namespace

int main() {
    lesson::Random random(10);
    const Matrix table = random.normal<2>({5, 4});
    const Input small{random.normal<2>({2, 4}), random.normal<1>({4}, 0.1), 1e-6f, gemma::WeightMatrix::of(table)};

    // Logits in the thousands: exp of them is infinite.
    const Matrix large_table = random.normal<2>({6, 8}, 1000.0);
    const Input large{random.normal<2>({1, 8}), random.normal<1>({8}, 0.1), 1e-6f,
                      gemma::WeightMatrix::of(large_table)};

    const gemma::Model model(gemma::embedded_model());
    const gemma::Tokenizer tokenizer(gemma::embedded_model() / "tokenizer.model");
    const Input nano{last_layer(model, tokenizer.encode_prompt("Anna has a red")), model.weights().norm,
                     model.config().rms_norm_eps, model.weights().embed_tokens};

    // Right implementations agree on logits within 5e-5.
    return lesson::check_exercise(
        "10_forward_pass",
        {trial("2 tokens of 4 numbers, 5 words", small), trial("1 token of 8 numbers, logits in the thousands", large),
         trial("the small model after \"Anna has a red\"", nano)},
        in_a_model, 5e-5);
}
