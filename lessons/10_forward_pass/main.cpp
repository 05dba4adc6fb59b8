// Lesson 10: a sentence goes through the whole model, from text to the next word, and every number is the official
// model's.

#include "gemma/components/rms_norm.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/text_stream.hpp"
#include "gemma/trace/compare.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace {

using gemma::Matrix;
using gemma::Recorder;
using gemma::TokenProbability;
using lesson::layer_name;
using lesson::Lesson;

// What google/gemma_pytorch computed for this prompt and the small model; tests/reference/README.md says how.
const char* const default_prompt = "Anna gave the ball to Tom. Now the ball belongs to";
const char* const official_trace = GEMMA_LESSON "/official.safetensors";

// The likeliest next tokens after the last row of the logits.
std::vector<TokenProbability> likeliest(const Matrix& logits) {
    gemma::SamplerOptions all;
    all.temperature = 1.0f;
    return gemma::next_token_distribution(logits, all);
}

void tell_tokens(Lesson& lesson, const std::vector<int>& tokens) {
    lesson.step("The prompt in tokens");
    const auto& console = lesson.console();
    std::string pieces, ids;
    const auto flush = [&] {
        lesson.line(console.bold(pieces));
        lesson.line(console.dim(ids));
        pieces.clear();
        ids.clear();
    };
    for (const int token : tokens) {
        const std::string piece = lesson.tokenizer().piece(token), id = std::to_string(token);
        const std::size_t width = std::max(viz::width_of(piece), id.size()) + 2;
        if (viz::width_of(pieces) + width > 96) flush();
        pieces += viz::padded(piece, width);
        ids += viz::padded(id, width);
    }
    flush();
}

void tell_first_layer(Lesson& lesson, const std::vector<int>& tokens) {
    const gemma::Config& config = lesson.model().config();
    const auto& console = lesson.console();
    const std::size_t T = tokens.size(), K = config.num_key_value_heads;
    lesson.step("Layer 0, step by step: the last token, " + lesson.tokenizer().piece(tokens.back()));
    lesson.line(console.dim(fmt::format(
        "T {} tokens, S {} seen, D {} hidden, H {} query heads, K {} key/value head{}, d {}, F {} in the MLP", T, T,
        config.hidden_size, config.num_attention_heads, K, K == 1 ? "" : "s", config.head_dim,
        config.intermediate_size)));
    lesson.line(console.dim("of each tensor the first numbers (of head 0, where there are heads)"));
    lesson.line("");
    const auto line = [&](const char* label, const lesson::Step& step) {
        lesson.line(lesson::step_line(console, label, step, lesson.recorder(), step.name));
    };
    line("embed_tokens", {"model.embed_tokens", "T D", "row of the embedding E"});
    line("embed_scaled", {"model.embed_scaled", "T D", "· √D"});
    for (const std::string& text : lesson::layer_lines(console, lesson.recorder(), 0)) lesson.line(text);
}

// The probabilities with which each head looks from the last token at the tokens so far: [H, T].
std::vector<std::vector<double>> attention_of_last_token(const Recorder& record, std::size_t layer) {
    const gemma::RecordedTensor probs = record.tensor(layer_name(layer) + ".self_attn.probs");
    const std::size_t H = probs.shape[0], T = probs.shape[1], S = probs.shape[2];
    std::vector<std::vector<double>> heads;
    for (std::size_t h = 0; h < H; ++h) {
        const float* row = probs.numbers.data() + (h * T + T - 1) * S;
        heads.emplace_back(row, row + S);
    }
    return heads;
}

void tell_attention(Lesson& lesson, const std::vector<int>& tokens) {
    lesson.step("Where the last token looks in layer 0");
    const auto heads = attention_of_last_token(lesson.recorder(), 0);
    for (std::size_t h = 0; h < heads.size(); ++h) {
        std::vector<std::size_t> order(tokens.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return heads[h][a] > heads[h][b]; });
        std::string looks = fmt::format("head {}", h);
        for (std::size_t i = 0; i < std::min<std::size_t>(3, order.size()); ++i) {
            const std::string piece = lesson.tokenizer().piece(tokens[order[i]]);
            looks += viz::padded(fmt::format("   {} {:.0f} %", piece, 100 * heads[h][order[i]]), 22);
        }
        lesson.line(looks.substr(0, looks.find_last_not_of(' ') + 1));
    }
    std::vector<std::string> pieces;
    for (const int token : tokens) pieces.push_back(lesson.tokenizer().piece(token));
    lesson.figure("attention",
                  {"Where the last token looks, head by head (layer 0)", "head", "token", heads, {}, pieces},
                  "The attention probabilities of the last token in layer 0; each row sums to 1.");
}

// What the model would say if layer i were its last: the final norm and the embedding applied early.
std::vector<TokenProbability> logit_lens(Lesson& lesson, std::size_t i) {
    const gemma::Model& model = lesson.model();
    const std::vector<float> row = lesson::last_row(lesson.recorder(), layer_name(i));
    Matrix x = Matrix::from_shape({1, row.size()});
    std::copy(row.begin(), row.end(), x.begin());
    const Matrix normalized = gemma::rms_norm(x, model.weights().norm, model.config().rms_norm_eps);
    return likeliest(gemma::linear(normalized, model.weights().embed_tokens));
}

double probability_of(int token, const std::vector<TokenProbability>& distribution) {
    const auto found = std::find_if(distribution.begin(), distribution.end(),
                                    [&](const TokenProbability& entry) { return entry.token == token; });
    return found == distribution.end() ? 0 : found->probability;
}

void tell_layers(Lesson& lesson, int answer) {
    lesson.step("All layers: how the last token's vector grows, and the word it points to");
    const Recorder& record = lesson.recorder();
    viz::Table table{{"layer", "|x| before", "|attention|", "|MLP|", "|x| after", "likeliest next, read early"}, {}};
    viz::Series early{"p(" + lesson.tokenizer().piece(answer) + ")", {}, {}};
    for (std::size_t i = 0; i < lesson.model().config().num_hidden_layers; ++i) {
        const std::string before = i == 0 ? "model.embed_scaled" : layer_name(i - 1);
        const std::vector<TokenProbability> guesses = logit_lens(lesson, i);
        table.rows.push_back(
            {std::to_string(i), fmt::format("{:.3f}", lesson::last_norm(record, before)),
             fmt::format("{:.3f}", lesson::last_norm(record, layer_name(i) + ".self_attn.o_proj")),
             fmt::format("{:.3f}", lesson::last_norm(record, layer_name(i) + ".mlp.down_proj")),
             fmt::format("{:.3f}", lesson::last_norm(record, layer_name(i))),
             fmt::format("{} {:.1f} %", lesson.tokenizer().piece(guesses[0].token), 100 * guesses[0].probability)});
        early.x.push_back(static_cast<double>(i));
        early.y.push_back(probability_of(answer, guesses));
    }
    lesson.table(table);
    lesson.figure("logit_lens",
                  viz::Chart{"The answer, read early", {"after layer"}, {"probability", false, 0.0, 1.0}, {early}},
                  "The probability of the final answer when the last norm and the embedding are applied after each "
                  "layer.");
}

void tell_logits(Lesson& lesson, const Matrix& logits) {
    lesson.step("The logits: what comes next");
    const auto& console = lesson.console();
    lesson.line(lesson::step_line(console, "norm", {"", "T D", "the final RMSNorm"}, lesson.recorder(), "model.norm"));
    lesson.line(lesson::step_line(console, "lm_head", {"", "T V", "norm Eᵀ, E again"}, lesson.recorder(), "lm_head"));
    lesson.line("");
    const auto next = likeliest(logits);
    for (std::size_t i = 0; i < std::min<std::size_t>(5, next.size()); ++i) {
        const auto [token, probability] = next[i];
        const std::string piece = lesson.tokenizer().piece(token);
        lesson.line(fmt::format("{}  logit {:7.3f}  {:5.1f} %  {}", viz::padded(piece, 12),
                                logits(logits.shape(0) - 1, static_cast<std::size_t>(token)), 100 * probability,
                                console.green(viz::bar(probability, 40))));
    }
}

void tell_continuation(Lesson& lesson, const std::vector<int>& tokens) {
    lesson.step("And so the story goes on");
    const gemma::Config& config = lesson.model().config();
    gemma::KVCache cache(config, std::min<std::size_t>(config.max_position_embeddings, tokens.size() + 64));
    gemma::Sampler greedy{gemma::SamplerOptions{}};
    gemma::GenerateOptions options;
    options.max_tokens = 60;
    std::string story = lesson.tokenizer().decode(tokens);
    std::size_t written = 0;
    gemma::TextStream text(lesson.tokenizer());
    gemma::generate(lesson.model(), cache, tokens, greedy, options, [&](int token) {
        story += text.add(token);
        return ++written < 25 || lesson.tokenizer().piece(token) != ".";  // a few sentences, the last one whole
    });
    lesson.text(story + text.finish());
}

// --- Checks ----------------------------------------------------------------------------------------------------------

// Every tensor against the official model's, where its numbers are at hand.
void check_official(Lesson& lesson, const std::vector<int>& tokens) {
    const gemma::TraceFile official(official_trace);
    if (!lesson.embedded_model() || official.header().tokens != tokens) {
        lesson.text(
            fmt::format("The official numbers at hand are for the prompt \"{}\" and the small model.", default_prompt));
        return;
    }
    double inside = 0, logits = 0;
    const gemma::Comparison comparison = gemma::compare(official, lesson.recorder());
    for (const gemma::TensorComparison& tensor : comparison.tensors) {
        double& worst = tensor.name == "lm_head" ? logits : inside;
        worst = std::max(worst, tensor.relative);
    }
    lesson.check(fmt::format("{} tensors inside the model", official.names().size() - 1), inside, 1e-5,
                 "the official model");
    lesson.check("the logits", logits, 5e-5, "the official model");
    lesson.check("every official tensor is there, with its shape",
                 comparison.count(gemma::Match::same) == official.names().size(), "the official model");
}

// The residual stream is a sum: the embedding and what every attention and every MLP added.
double distance_from_sum(Lesson& lesson) {
    const std::size_t L = lesson.model().config().num_hidden_layers;
    const Recorder& record = lesson.recorder();
    const std::vector<float> first = lesson::last_row(record, "model.embed_scaled");
    std::vector<double> sum(first.begin(), first.end());
    for (std::size_t i = 0; i < L; ++i) {
        for (const char* part : {".self_attn.o_proj", ".mlp.down_proj"}) {
            const std::vector<float> added = lesson::last_row(record, layer_name(i) + part);
            for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += added[j];
        }
    }
    const std::vector<float> last = lesson::last_row(record, layer_name(L - 1));
    double difference = 0;
    for (std::size_t j = 0; j < sum.size(); ++j) difference = std::max(difference, std::abs(sum[j] - last[j]));
    return difference / lesson::last_norm(record, layer_name(L - 1));
}

// One token at a time, with the cache, against all at once: the last token's logits.
double distance_from_cached(Lesson& lesson, const std::vector<int>& tokens, const Matrix& logits) {
    gemma::KVCache cache(lesson.model().config(), tokens.size());
    Matrix cached;
    for (const int token : tokens) cached = lesson.model().forward_last({token}, cache);
    double difference = 0, largest = 0;
    for (std::size_t v = 0; v < logits.shape(1); ++v) {
        const float expected = logits(tokens.size() - 1, v);
        difference = std::max(difference, std::abs(static_cast<double>(cached(0, v)) - expected));
        largest = std::max(largest, std::abs(static_cast<double>(expected)));
    }
    return difference / largest;
}

void check(Lesson& lesson, const std::vector<int>& tokens, const Matrix& logits) {
    const auto next = likeliest(logits);
    const double total = std::accumulate(next.begin(), next.end(), 0.0,
                                         [](double sum, const TokenProbability& p) { return sum + p.probability; });
    const auto last = logit_lens(lesson, lesson.model().config().num_hidden_layers - 1);
    lesson.check("embedding plus all that was added is the last layer", distance_from_sum(lesson), 1e-5, "closed form");
    lesson.check("the last layer read early gives the model's own answer",
                 std::abs(probability_of(next[0].token, last) - next[0].probability), 1e-5, "closed form");
    lesson.check("the probabilities sum to 1", std::abs(total - 1), 1e-5, "closed form");
    lesson.check("one token at a time gives the same logits", distance_from_cached(lesson, tokens, logits), 1e-5,
                 "the full pass");
    check_official(lesson, tokens);
}

}  // namespace

int main(int argc, char** argv) {
    std::string prompt = default_prompt;
    lesson::About about{"10_forward_pass", "The forward pass",
                        "A prompt goes through Gemma, from text to the next word.", true};
    about.options = {{"prompt", &prompt, "The text to continue"}};
    return lesson::run(argc, argv, about, [&](Lesson& lesson) {
        const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
        gemma::KVCache cache(lesson.model().config(), tokens.size());
        const Matrix logits = lesson.model().forward(tokens, cache, lesson.trace());
        lesson.traced(prompt, tokens);

        tell_tokens(lesson, tokens);
        tell_first_layer(lesson, tokens);
        tell_attention(lesson, tokens);
        tell_layers(lesson, likeliest(logits)[0].token);
        tell_logits(lesson, logits);
        tell_continuation(lesson, tokens);
        lesson::what_breaks(
            lesson, "the frame around the layers is another one",
            {"bos-missing", "bos-twice", "embedding-unscaled", "embedding-scale-precision", "last-layer-missing",
             "final-norm-missing", "output-scaled", "output-transposed", "output-untied"});
        check(lesson, tokens, logits);
    });
}
