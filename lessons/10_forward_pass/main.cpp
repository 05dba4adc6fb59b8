// Lesson 10: a sentence goes through the whole model, from text to the next word, and every number is the official
// model's.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/components/rms_norm.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/text/text_stream.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/compare.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/10_forward_pass/steps.hpp"
#include "viz/console.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

namespace lesson {

using gemma::Matrix;
using gemma::Model;
using gemma::RecordedTensor;
using gemma::Recorder;
using gemma::SamplerOptions;
using gemma::Shape;
using gemma::Tokenizer;
using viz::padded;

namespace fs = std::filesystem;

// What google/gemma_pytorch computed for this prompt and the small model; tests/reference/README.md says how.
const char* const default_prompt = "Anna gave the ball to Tom. Now the ball belongs to";
const fs::path official_trace = fs::path(GEMMA_LESSON) / "official.safetensors";

struct Run {
    Model model;
    Tokenizer tokenizer;
    std::vector<int> tokens;
    Recorder recorder;
    viz::Console console;
};

void heading(const Run& run, const std::string& text) { fmt::print("\n{}\n\n", run.console.bold(text)); }

// The last token's numbers: its row, or its row of head 0 where there are heads.
std::vector<float> last_row(const std::string& name, const RecordedTensor& tensor) {
    const Shape& shape = tensor.shape;
    const std::size_t axis = gemma::token_axis(name, shape);
    const std::size_t columns = axis + 1 < shape.size() ? shape.back() : 1;
    const std::size_t row_size =
        tensor.numbers.size() / gemma::element_count(Shape(shape.begin(), shape.begin() + axis + 1));
    const float* row = tensor.numbers.data() + (shape[axis] - 1) * row_size;
    return std::vector<float>(row, row + std::min(columns, row_size));
}

std::string first_numbers(const std::vector<float>& row) {
    constexpr std::size_t shown = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(shown, row.size()); ++i) text += fmt::format("{:9.4f}", row[i]);
    return row.size() > shown ? text + " …" : text;
}

// One line: name, shape, formula, the first numbers.
void print_step(const Run& run, const std::string& label, const std::string& name, const Step& step) {
    const RecordedTensor tensor = run.recorder.tensor(name);
    fmt::print("  {}  {}  {}{}\n", run.console.cyan(padded(label, 29)),
               padded(fmt::format("{} {}", step.axes, gemma::to_string(tensor.shape)), 18),
               run.console.dim(padded(step.formula, 26)), first_numbers(last_row(name, tensor)));
}

void print_prompt(const Run& run) {
    heading(run, "The prompt in tokens");
    std::string ids, pieces;
    for (const int token : run.tokens) {
        const std::string piece = run.tokenizer.piece(token), id = std::to_string(token);
        const std::size_t width = std::max(viz::width_of(piece), id.size()) + 2;
        if (viz::width_of(pieces) + width > 96) {
            fmt::print("  {}\n  {}\n", run.console.bold(pieces), run.console.dim(ids));
            pieces.clear();
            ids.clear();
        }
        pieces += padded(piece, width);
        ids += padded(id, width);
    }
    fmt::print("  {}\n  {}\n", run.console.bold(pieces), run.console.dim(ids));
}

// Where each head of a layer looks from the last token.
void print_attention(const Run& run, std::size_t layer) {
    const RecordedTensor probs = run.recorder.tensor(fmt::format("model.layers.{}.self_attn.probs", layer));
    const std::size_t H = probs.shape[0], T = probs.shape[1], S = probs.shape[2];
    for (std::size_t h = 0; h < H; ++h) {
        const float* row = probs.numbers.data() + (h * T + T - 1) * S;
        std::vector<std::size_t> order(S);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
        std::string looks;
        for (std::size_t i = 0; i < std::min<std::size_t>(3, S); ++i) {
            looks += fmt::format("   {} {:.0f} %", run.tokenizer.piece(run.tokens[order[i]]), 100 * row[order[i]]);
        }
        fmt::print("{:>31}  {}\n", h == 0 ? "the last token looks at" : "",
                   run.console.dim(fmt::format("head {}:{}", h, looks)));
    }
}

void print_first_layer(const Run& run) {
    const auto& config = run.model.config();
    heading(run, fmt::format("Layer 0, step by step: the last token, {}", run.tokenizer.piece(run.tokens.back())));
    fmt::print("  {}\n", run.console.dim(fmt::format("T {} tokens, S {} seen so far, D {} hidden, H {} query heads, K "
                                                     "{} key/value head{}, d {} a head, F {} in the MLP",
                                                     run.tokens.size(), run.tokens.size(), config.hidden_size,
                                                     config.num_attention_heads, config.num_key_value_heads,
                                                     config.num_key_value_heads == 1 ? "" : "s", config.head_dim,
                                                     config.intermediate_size)));
    fmt::print("  {}\n\n", run.console.dim("of each tensor the first numbers (of head 0, where there are heads)"));
    print_step(run, "embed_tokens", "model.embed_tokens", {"", "T D", "row of the embedding E"});
    print_step(run, "embed_scaled", "model.embed_scaled", {"", "T D", "· √D"});
    for (const Step& step : layer_steps) {
        const std::string name = step.name;
        const bool inside_norm = name.find("layernorm.") != std::string::npos;
        const std::string label = inside_norm ? "  ." + name.substr(name.find('.') + 1) : name;
        print_step(run, label, "model.layers.0." + name, step);
        if (name == "self_attn.probs") print_attention(run, 0);
    }
    print_step(run, "layers.0", "model.layers.0", {"", "T D", "residual_attn + down_proj"});
}

// The length of the last token's row.
double norm_of_last_row(const Run& run, const std::string& name) {
    const std::vector<float> row = last_row(name, run.recorder.tensor(name));
    return std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
}

// What the model would say if layer i were its last: the final norm and the embedding applied early.
gemma::TokenProbability logit_lens(const Run& run, std::size_t layer) {
    const std::string name = fmt::format("model.layers.{}", layer);
    const std::vector<float> row = last_row(name, run.recorder.tensor(name));
    Matrix x = Matrix::from_shape({1, row.size()});
    std::copy(row.begin(), row.end(), x.begin());
    const Matrix normalized = gemma::rms_norm(x, run.model.weights().norm, run.model.config().rms_norm_eps);
    SamplerOptions one_of_all;
    one_of_all.temperature = 1.0f;
    return gemma::next_token_distribution(gemma::linear(normalized, run.model.weights().embed_tokens), one_of_all)[0];
}

void print_layers(const Run& run) {
    heading(run, "All layers: how the last token's vector grows, and the word it points to");
    fmt::print("  {}\n",
               run.console.dim(fmt::format("{:<6}{:>12}{:>13}{:>12}{:>12}   {}", "layer", "|x| before", "|attention|",
                                           "|MLP|", "|x| after", "likeliest next, read early")));
    for (std::size_t i = 0; i < run.model.config().num_hidden_layers; ++i) {
        const std::string name = fmt::format("model.layers.{}", i);
        const std::string before = i == 0 ? "model.embed_scaled" : fmt::format("model.layers.{}", i - 1);
        const gemma::TokenProbability likeliest = logit_lens(run, i);
        fmt::print("  {:<6}{:>12.3f}{:>13.3f}{:>12.3f}{:>12.3f}   {} {:.1f} %\n", i, norm_of_last_row(run, before),
                   norm_of_last_row(run, name + ".self_attn.o_proj"), norm_of_last_row(run, name + ".mlp.down_proj"),
                   norm_of_last_row(run, name), padded(run.tokenizer.piece(likeliest.token), 10),
                   100 * likeliest.probability);
    }
}

void print_logits(const Run& run, const Matrix& logits) {
    heading(run, "The logits: what comes next");
    print_step(run, "norm", "model.norm", {"", "T D", "the final RMSNorm"});
    print_step(run, "lm_head", "lm_head", {"", "T V", "norm Eᵀ, E again"});
    fmt::print("\n");
    SamplerOptions all;
    all.temperature = 1.0f;
    const auto likeliest = gemma::next_token_distribution(logits, all);
    for (std::size_t i = 0; i < std::min<std::size_t>(5, likeliest.size()); ++i) {
        const auto [token, probability] = likeliest[i];
        fmt::print("  {}  logit {:7.3f}  {:5.1f} %  {}\n", padded(run.tokenizer.piece(token), 12),
                   logits(logits.shape(0) - 1, static_cast<std::size_t>(token)), 100 * probability,
                   run.console.green(viz::bar(probability, 40)));
    }
}

// Whether the official numbers, where there are any for this run, are these.
bool print_check(const Run& run) {
    heading(run, "Are these the right numbers?");
    const gemma::TraceFile official(official_trace);
    if (official.header().tokens != run.tokens) {
        fmt::print("  The official numbers at hand are for the prompt \"{}\" and the small model.\n", default_prompt);
        return true;
    }
    const gemma::Comparison comparison = gemma::compare(official, run.recorder);
    const auto worst = std::max_element(comparison.tensors.begin(), comparison.tensors.end(),
                                        [](const auto& a, const auto& b) { return a.relative < b.relative; });
    const gemma::TensorComparison* first = comparison.first_divergence();
    fmt::print(
        "  {} tensors, compared with those of the official PyTorch model (google/gemma_pytorch, float32):\n"
        "  the largest difference is {:.1e} of a tensor's largest number, in {}.\n",
        comparison.tensors.size(), worst->relative, worst->name);
    fmt::print("  {}\n", first == nullptr ? run.console.green("Every one is within 1e-5 (the logits within 5e-5).")
                                          : run.console.red("That is too far. The first tensor that differs is " +
                                                            first->name + "."));
    return first == nullptr;
}

void print_continuation(const Run& run) {
    heading(run, "And so the story goes on");
    fmt::print("  {}", run.console.dim(run.tokenizer.decode(run.tokens)));
    std::fflush(stdout);
    gemma::KVCache cache(run.model.config(),
                         std::min<std::size_t>(run.model.config().max_position_embeddings, run.tokens.size() + 64));
    gemma::Sampler greedy{SamplerOptions{}};
    gemma::GenerateOptions options;
    options.max_tokens = 60;
    std::size_t written = 0;
    gemma::TextStream text(run.tokenizer);
    gemma::generate(run.model, cache, run.tokens, greedy, options, [&](int token) {
        fmt::print("{}", run.console.bold(text.add(token)));
        std::fflush(stdout);
        return ++written < 25 || run.tokenizer.piece(token) != ".";  // a few sentences, the last one whole
    });
    fmt::print("{}\n\n", run.console.bold(text.finish()));
}

bool run_lesson(const fs::path& directory, const std::string& prompt) {
    Run run{Model(directory), Tokenizer(directory / "tokenizer.model"), {}, Recorder(), {}};
    run.tokens = run.tokenizer.encode_prompt(prompt);
    fmt::print("{}\n", run.console.bold("Lesson 10: the forward pass"));
    fmt::print(
        "{}\n",
        run.console.dim(
            "A prompt goes through Gemma, from text to the next word. The prose: lessons/10_forward_pass/README.md"));

    gemma::KVCache cache(run.model.config(), run.tokens.size());
    const Matrix logits = run.model.forward(run.tokens, cache, gemma::Trace(run.recorder));

    print_prompt(run);
    print_first_layer(run);
    print_layers(run);
    print_logits(run, logits);
    const bool right = print_check(run);
    print_continuation(run);
    return right;
}

}  // namespace lesson

int main(int argc, char** argv) {
    CLI::App app("Lesson 10: a prompt goes through Gemma, from text to the next word.", "10_forward_pass");
    std::string model, prompt = lesson::default_prompt;
    app.add_option("--model", model, "A Gemma in Hugging Face's layout; the small one that comes along when not given");
    app.add_option("--prompt", prompt, "The text to continue")->capture_default_str();
    try {
        app.parse(argc, argv);
        const auto directory = model.empty() ? gemma::embedded_model() : std::filesystem::path(model);
        return lesson::run_lesson(directory, prompt) ? 0 : 1;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fflush(stdout);
        fmt::print(stderr, "10_forward_pass: {}\n", error.what());
        return 2;
    }
}
