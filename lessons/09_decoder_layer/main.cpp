// Lesson 09: a decoder layer: attention and the MLP, each reading a normalized copy of the residual stream and adding
// to it.

#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/model/decoder_layer.hpp"
#include "gemma/trace/compare.hpp"
#include "gemma/trace/editor.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/loss.hpp"
#include "lessons/steps.hpp"
#include "lessons/story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace {

using gemma::Matrix;
using gemma::Recorder;
using gemma::Trace;
using lesson::layer_name;
using lesson::Lesson;

// What google/gemma_pytorch computed for this prompt and the small model; lesson 10 says more.
const char* const prompt = "Anna gave the ball to Tom. Now the ball belongs to";
const char* const official_trace = GEMMA_LESSON "/../10_forward_pass/official.safetensors";

// --- The layer, from the library's parts -----------------------------------------------------------------------------

enum class Arrangement {
    pre_norm,             // x + f(norm(x))         Gemma
    residual_after_norm,  // norm(x) + f(norm(x))   a mistake: the sum starts from the wrong x
    post_norm,            // norm(x + f(x))         the first transformer
};

template <typename Part>
Matrix add(const Matrix& x, const gemma::Vector& norm_weight, float eps, Arrangement arrangement, const Part& part) {
    using gemma::rms_norm;
    switch (arrangement) {
        case Arrangement::pre_norm: return x + part(rms_norm(x, norm_weight, eps));
        case Arrangement::residual_after_norm: {
            const Matrix normalized = rms_norm(x, norm_weight, eps);
            return normalized + part(normalized);
        }
        case Arrangement::post_norm: break;
    }
    return rms_norm(x + part(x), norm_weight, eps);
}

// A layer on T tokens from position 0.
Matrix assembled_layer(const Matrix& x, const gemma::Config& config, const gemma::LayerWeights& weights,
                       Arrangement arrangement) {
    const std::size_t T = x.shape(0);
    const gemma::Rotation rotation = gemma::rope_rotation(0, T, config.head_dim, config.rope_theta);
    gemma::KeyValues past(config.num_key_value_heads, T, config.head_dim);

    const Matrix middle = add(x, weights.input_layernorm, config.rms_norm_eps, arrangement, [&](const Matrix& input) {
        return gemma::attention(input, weights.self_attn, rotation, past);
    });
    return add(middle, weights.post_attention_layernorm, config.rms_norm_eps, arrangement,
               [&](const Matrix& input) { return gemma::feed_forward(input, weights.mlp); });
}

// --- Reading the record ----------------------------------------------------------------------------------------------

Matrix matrix(const gemma::Record& record, const std::string& name) {
    const gemma::RecordedTensor tensor = record.tensor(name);
    Matrix result = Matrix::from_shape({tensor.shape[0], tensor.shape[1]});
    std::copy(tensor.numbers.begin(), tensor.numbers.end(), result.begin());
    return result;
}

std::string input_of(std::size_t layer) { return layer == 0 ? "model.embed_scaled" : layer_name(layer - 1); }

// The largest difference, relative to the largest number of the first.
double distance(const Matrix& right, const Matrix& other) {
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
        const double expected = right.data()[i];
        difference = std::max(difference, std::abs(other.data()[i] - expected));
        largest = std::max(largest, std::abs(expected));
    }
    return difference / largest;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
    const auto product = [](const auto& x, const auto& y) {
        return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
    };
    return product(a, b) / std::sqrt(product(a, a) * product(b, b));
}

Matrix forward(const gemma::Model& model, const std::vector<int>& tokens, Trace trace = {}) {
    gemma::KVCache cache(model.config(), tokens.size());
    return model.forward(tokens, cache, trace);
}

double loss_with(const gemma::Model& model, const std::vector<int>& tokens, std::vector<gemma::Edit> edits) {
    gemma::Editor editor(std::move(edits));
    return lesson::loss(forward(model, tokens, Trace(editor)), tokens);
}

// --- The steps -------------------------------------------------------------------------------------------------------

void tell_formula(Lesson& lesson) {
    lesson.step("A layer is two sums");
    lesson.formula(
        "x = x + attention(rms_norm(x))      attention moves information between tokens\n"
        "x = x + mlp(rms_norm(x))            the MLP works on each token alone");
    lesson.text(
        "x, one vector of D numbers for each token, is the residual stream. The two parts only read it and add to it; "
        "what is not added to stays as it is, from the embedding to the last layer.");
}

void tell_shapes(Lesson& lesson, std::size_t layer) {
    lesson.step(fmt::format("Layer {}, shape by shape", layer));
    lesson.line(lesson.console().dim("the first numbers of the last token (of head 0, where there are heads)"));
    lesson.line("");
    lesson.line(
        lesson::step_line(lesson.console(), "x", {"", "T D", "the layer before"}, lesson.recorder(), input_of(layer)));
    for (const std::string& line : lesson::layer_lines(lesson.console(), lesson.recorder(), layer)) lesson.line(line);
    lesson.line("");
    lesson.notice(
        "Whatever shape the parts use inside, what they add is [T, D] like x. So layers can be stacked, and any part "
        "can be left out without breaking the others' shapes.");
}

void tell_assembly(Lesson& lesson, const gemma::Record* official) {
    lesson.step("Assembled by hand from the library's parts");
    lesson.formula(
        "middle = x + attention(rms_norm(x, input_layernorm), self_attn)\n"
        "output = middle + feed_forward(rms_norm(middle, post_attention_layernorm), mlp)");
    const gemma::Model& model = lesson.model();
    const gemma::Config& config = model.config();
    double worst = 0, worst_official = 0;
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        const Matrix x = matrix(lesson.recorder(), input_of(i));
        const Matrix by_hand = assembled_layer(x, config, model.weights().layers[i], Arrangement::pre_norm);

        const gemma::Rotation rotation = gemma::rope_rotation(0, x.shape(0), config.head_dim, config.rope_theta);
        gemma::KeyValues past(config.num_key_value_heads, x.shape(0), config.head_dim);
        const Matrix library = gemma::decoder_layer(x, model.weights().layers[i], rotation, config.rms_norm_eps, past);
        worst = std::max(worst, distance(library, by_hand));
        if (official != nullptr) {
            const Matrix from_official = assembled_layer(matrix(*official, input_of(i)), config,
                                                         model.weights().layers[i], Arrangement::pre_norm);
            worst_official = std::max(worst_official, distance(matrix(*official, layer_name(i)), from_official));
        }
    }
    lesson.text(
        fmt::format("Two lines, four calls: that is the layer. All {} layers, each given the right input, are "
                    "compared with gemma::decoder_layer{} in the checks below.",
                    config.num_hidden_layers, official == nullptr ? "" : " and with the official model's"));
    lesson.check("two lines of library parts are decoder_layer", worst, 1e-6, "gemma::decoder_layer");
    if (official != nullptr) {
        lesson.check("each layer: official input to official output", worst_official, 1e-5, "the official model");
    }
}

void tell_residual_stream(Lesson& lesson) {
    lesson.step("What attention and the MLP add to the last token's vector");
    const Recorder& record = lesson.recorder();
    const std::size_t L = lesson.model().config().num_hidden_layers;
    viz::Table table{{"layer", "|x| before", "|attention|", "|MLP|", "|x| after", "cos(before, after)"}, {}};
    viz::Series after{"x after the layer", {}, {}}, attention{"attention adds", {}, {}}, mlp{"MLP adds", {}, {}};
    Matrix sum = matrix(record, "model.embed_scaled");
    for (std::size_t i = 0; i < L; ++i) {
        const std::string o_proj = layer_name(i) + ".self_attn.o_proj", down_proj = layer_name(i) + ".mlp.down_proj";
        const double norms[] = {lesson::last_norm(record, input_of(i)), lesson::last_norm(record, o_proj),
                                lesson::last_norm(record, down_proj), lesson::last_norm(record, layer_name(i))};
        table.rows.push_back({std::to_string(i), fmt::format("{:.3f}", norms[0]), fmt::format("{:.3f}", norms[1]),
                              fmt::format("{:.3f}", norms[2]), fmt::format("{:.3f}", norms[3]),
                              fmt::format("{:.3f}", cosine(lesson::last_row(record, input_of(i)),
                                                           lesson::last_row(record, layer_name(i))))});
        for (auto* series : {&after, &attention, &mlp}) series->x.push_back(static_cast<double>(i));
        attention.y.push_back(norms[1]);
        mlp.y.push_back(norms[2]);
        after.y.push_back(norms[3]);
        sum += matrix(record, o_proj) + matrix(record, down_proj);
    }
    lesson.table(table);
    lesson.notice(
        "Most layers make the vector longer and keep much of its direction (a cosine of 1 would mean all of it). Its "
        "length is harmless: each part reads a copy that RMSNorm has brought back to a standard length.");
    lesson.figure(
        "norms",
        viz::Chart{
            "The residual stream grows", {"layer"}, {"length of the last token's vector"}, {after, attention, mlp}},
        "The length of the last token's vector after each layer, and of what attention and the MLP add.");
    lesson.check("embedding plus all that was added is the last layer",
                 distance(matrix(record, layer_name(L - 1)), sum), 1e-5, "closed form");
}

void tell_arrangements(Lesson& lesson, const std::vector<int>& tokens) {
    lesson.step("Where the norm stands");
    const gemma::Model& model = lesson.model();
    const std::size_t L = model.config().num_hidden_layers;
    struct Row {
        const char *name, *formula;
        Arrangement arrangement;
    };
    const Row rows[] = {
        {"pre-norm: Gemma", "x + f(norm(x))", Arrangement::pre_norm},
        {"residual after the norm: a mistake", "norm(x) + f(norm(x))", Arrangement::residual_after_norm},
        {"post-norm: Vaswani et al. 2017", "norm(x + f(x))", Arrangement::post_norm}};

    Recorder recorder({{"model.embed_scaled", "model.layers.?", "model.layers.??"}});
    forward(model, tokens, Trace(recorder));

    viz::Table table{{"arrangement", "formula", "layer 0 is off by", fmt::format("layer {} by", L - 1), "loss"}, {}};
    for (const Row& row : rows) {
        Matrix x = matrix(recorder, "model.embed_scaled");
        double first = 0;
        for (std::size_t i = 0; i < L; ++i) {
            x = assembled_layer(x, model.config(), model.weights().layers[i], row.arrangement);
            if (i == 0) first = distance(matrix(recorder, layer_name(0)), x);
        }
        const double last = distance(matrix(recorder, layer_name(L - 1)), x);
        const Matrix logits = gemma::linear(gemma::rms_norm(x, model.weights().norm, model.config().rms_norm_eps),
                                            model.weights().embed_tokens);
        table.rows.push_back({row.name, row.formula, fmt::format("{:.4f}", first), fmt::format("{:.4f}", last),
                              fmt::format("{:.3f}", lesson::loss(logits, tokens))});
        if (row.arrangement != Arrangement::pre_norm) {
            lesson.check(fmt::format("{}: layer 0 is off by over 0.01", row.formula), first > 0.01, "gemma::Model");
        }
    }
    lesson.table(table);
    lesson.text(fmt::format(
        "\"Off by\": the largest difference, relative to the largest number. Loss: on a story of {} "
        "tokens, in nats a token; a guess among all {} tokens costs {:.3f}.",
        tokens.size(), model.config().vocab_size, std::log(static_cast<double>(model.config().vocab_size))));
    lesson.notice(
        "The same weights in another order are another model. The mistake in the second row compiles, has the right "
        "shapes and produces text; only numbers show it.");
}

void tell_identity(Lesson& lesson, const std::vector<int>& tokens) {
    lesson.step("A layer that adds nothing");
    lesson.text(
        "If o_proj and down_proj give zeros, both sums add nothing and the layer is the identity. An Editor puts the "
        "zeros there while the model runs. So one can take a whole layer out and see what it was worth:");
    const gemma::Model& model = lesson.model();
    const double whole = lesson::loss(forward(model, tokens), tokens);
    viz::Table table{{"layer taken out", "loss", "more than the whole model"}, {}};
    table.rows.push_back({"none", fmt::format("{:.3f}", whole), ""});
    viz::BarChart chart{"What a layer is worth", {"loss without it, more than the whole model's"}, {}};
    double worst = 0;
    for (std::size_t i = 0; i < model.config().num_hidden_layers; ++i) {
        const std::vector<gemma::Edit> edits = {{layer_name(i) + ".self_attn.o_proj"},
                                                {layer_name(i) + ".mlp.down_proj"}};
        Recorder recorder({{input_of(i), layer_name(i)}});
        gemma::Editor editor(edits, &recorder);
        const double loss = lesson::loss(forward(model, tokens, Trace(editor)), tokens);
        worst = std::max(worst, distance(matrix(recorder, input_of(i)), matrix(recorder, layer_name(i))));
        table.rows.push_back({std::to_string(i), fmt::format("{:.3f}", loss), fmt::format("{:+.3f}", loss - whole)});
        chart.bars.push_back({fmt::format("layer {}", i), loss - whole});
    }
    lesson.table(table);
    lesson.figure("layers", chart, "How much the loss on the story rises when one layer adds nothing.");
    lesson.check("o_proj and down_proj zero: a layer is the identity", worst, 0, "closed form");
}

// What a head is worth: the loss without it.
void tell_heads(Lesson& lesson, const std::vector<int>& tokens) {
    lesson.step("A head taken away");
    const gemma::Model& model = lesson.model();
    const std::size_t L = model.config().num_hidden_layers, H = model.config().num_attention_heads;
    const double whole = lesson::loss(forward(model, tokens), tokens);
    viz::Table table{{"layer"}, {}};
    for (std::size_t h = 0; h < H; ++h) table.header.push_back(fmt::format("head {}", h));
    viz::HeatMap map{"What a head is worth", "layer", "head", {}};
    for (std::size_t i = 0; i < L; ++i) {
        table.rows.push_back({std::to_string(i)});
        map.rows.emplace_back();
        for (std::size_t h = 0; h < H; ++h) {
            const double more = loss_with(model, tokens, {{layer_name(i) + ".self_attn.context", h}}) - whole;
            table.rows.back().push_back(fmt::format("{:+.3f}", more));
            map.rows.back().push_back(more);
        }
    }
    lesson.text("How much the loss rises when one head's context is set to zero:");
    lesson.table(table);
    lesson.figure("heads", map, "How much the loss on the story rises when one head adds nothing.");
}

// A record is the same as another up to a tensor, and differs from there on.
void tell_what_follows(Lesson& lesson, const std::vector<int>& tokens) {
    const gemma::Model& model = lesson.model();
    const std::size_t middle = model.config().num_hidden_layers / 2;
    const std::string edited = layer_name(middle) + ".self_attn.context";

    Recorder ablated;
    gemma::Editor editor({{edited, 0}}, &ablated);
    forward(model, tokens, Trace(editor));
    const gemma::Comparison comparison = gemma::compare(lesson.recorder(), ablated, 0.0);
    const auto first = std::find_if(comparison.tensors.begin(), comparison.tensors.end(),
                                    [](const auto& tensor) { return tensor.diverges(); });
    const auto differ =
        std::count_if(first, comparison.tensors.end(), [](const auto& tensor) { return tensor.diverges(); });
    lesson.text(
        fmt::format("Head 0 of layer {} set to zero, on the prompt: the first {} tensors of the pass keep every bit, "
                    "{} is the first "
                    "that differs, and {} of the {} from there on differ.",
                    middle, first - comparison.tensors.begin(), first->name, differ, comparison.tensors.end() - first));
    lesson.check("a head edited: only what follows changes, all of it",
                 first->name == edited && differ == comparison.tensors.end() - first, "the unedited pass");
}

// Information flows forward only: an edit at the last token leaves all other rows as they were.
void check_causality(Lesson& lesson, const std::vector<int>& tokens) {
    const std::size_t last = tokens.size() - 1;
    Recorder edited({{}, {0, last}}), whole({{}, {0, last}});
    gemma::Editor editor({{"model.embed_scaled", {}, last}}, &edited);
    forward(lesson.model(), tokens, Trace(editor));
    forward(lesson.model(), tokens, Trace(whole));
    double worst = 0;
    for (std::size_t i = 0; i < lesson.model().config().num_hidden_layers; ++i) {
        worst = std::max(worst, distance(matrix(whole, layer_name(i)), matrix(edited, layer_name(i))));
    }
    lesson.check("the last token zeroed: no earlier row changes", worst, 0, "the unedited pass");
}

}  // namespace

int main(int argc, char** argv) {
    const lesson::About about{"09_decoder_layer", "The decoder layer",
                              "Attention and the MLP meet: each reads the residual stream and adds to it.", true};
    return lesson::run(argc, argv, about, [](Lesson& lesson) {
        const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
        const std::vector<int> story_tokens = lesson.tokenizer().encode_prompt(lesson::unseen_story);
        forward(lesson.model(), tokens, lesson.trace());
        lesson.traced(prompt, tokens);
        const gemma::TraceFile official(official_trace);
        const bool has_official = lesson.embedded_model() && official.header().tokens == tokens;

        tell_formula(lesson);
        tell_shapes(lesson, lesson.model().config().num_hidden_layers / 2);
        tell_assembly(lesson, has_official ? &official : nullptr);
        tell_residual_stream(lesson);
        tell_arrangements(lesson, story_tokens);
        tell_identity(lesson, story_tokens);
        tell_heads(lesson, story_tokens);
        tell_what_follows(lesson, tokens);
        check_causality(lesson, tokens);
        lesson::what_breaks(lesson, "the layer is put together in another way",
                            {"residual-after-norm", "residual-attention-missing", "residual-mlp-missing",
                             "attention-lost", "norm-weights-swapped"});
    });
}
