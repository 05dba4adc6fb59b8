// Checks the last exercise: every tensor of the learner's Gemma, on a tiny model and against the official numbers.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/model/model.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/14_family/exercise.hpp"
#include "lessons/exercise.hpp"

#include <algorithm>
#include <array>

namespace {

using gemma::Matrix;
using gemma::Trace;

template <std::size_t N>
void show(const gemma::RecordedTensor& recorded, const std::string& name, Trace trace) {
    std::array<std::size_t, N> shape;
    std::copy_n(recorded.shape.begin(), N, shape.begin());
    auto tensor = xt::xtensor<float, N>::from_shape(shape);
    std::copy(recorded.numbers.begin(), recorded.numbers.end(), tensor.data());
    trace(name, tensor);
}

// All tensors of a record. Scores of later tokens do not count, the mask takes them away: they become 0.
void show(const gemma::Record& record, Trace trace) {
    for (const std::string& name : record.names()) {
        gemma::RecordedTensor tensor = record.tensor(name);
        const std::size_t rank = tensor.shape.size(), last = tensor.shape.back();
        if (gemma::is_scores(name) && rank == 3 && tensor.shape[1] == last) {
            for (std::size_t i = 0; i < tensor.numbers.size(); ++i) {
                if (i % last > i / last % last) tensor.numbers[i] = 0;
            }
        }
        if (rank == 1) show<1>(tensor, name, trace);
        if (rank == 2) show<2>(tensor, name, trace);
        if (rank == 3) show<3>(tensor, name, trace);
    }
}

// What the learner's function shows, also when it ends in an error.
void run_learner(const std::vector<int>& tokens, const gemma::Config& config, const gemma::Weights& weights,
                 Trace trace) {
    gemma::Recorder recorder;
    try {
        exercise::forward(tokens, config, weights, Trace(recorder));
    } catch (...) {
        show(recorder, trace);
        throw;
    }
    show(recorder, trace);
}

void in_a_model(const gemma::Model& model, const std::vector<int>& tokens, const gemma::Record&, Trace trace) {
    run_learner(tokens, model.config(), model.weights(), trace);
}

}  // namespace

int main() {
    const gemma::Model tiny = lesson::random_model();
    const std::vector<int> tokens = {2, 7, 4, 10, 7};

    const gemma::Model nano(gemma::embedded_model());
    const gemma::TraceFile official(GEMMA_LESSON "/../10_forward_pass/official.safetensors");

    const lesson::Trial small{"a tiny Gemma of random numbers: 2 layers, 4 query heads, 2 key/value heads, 5 tokens",
                              [&](Trace trace) {
                                  gemma::Recorder recorder;
                                  gemma::KVCache cache(tiny.config(), tokens.size());
                                  tiny.forward(tokens, cache, Trace(recorder));
                                  show(recorder, trace);
                              },
                              [&](Trace trace) { run_learner(tokens, tiny.config(), tiny.weights(), trace); }};
    const lesson::Trial real{
        "the small model, against the official numbers of google/gemma_pytorch",
        [&](Trace trace) { show(official, trace); },
        [&](Trace trace) { run_learner(official.header().tokens, nano.config(), nano.weights(), trace); }};
    // Right implementations in float32 agree on logits within 5e-5.
    return lesson::check_exercise("14_family", {small, real}, in_a_model, 5e-5);
}
