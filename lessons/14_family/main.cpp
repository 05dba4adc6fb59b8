// Lesson 14: the family: what 2B and 7B are made of and need, what was claimed of them, and what three small mistakes
// do to a Gemma.

#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/diagnose/mistakes.hpp"
#include "gemma/trace/compare.hpp"
#include "lessons/14_family/counting.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/steps.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace {

using gemma::Matrix;
using gemma::Recorder;
using namespace lesson;

const Config two = gemma::gemma_2b(), seven = gemma::gemma_7b();

void tell_sizes(Lesson& lesson) {
    lesson.step("Two sizes");
    const Config& nano = lesson.model().config();
    viz::Table table{{"", "", "Gemma 2B", "Gemma 7B", lesson.embedded_model() ? "nano" : "--model"}, {}};
    const auto row = [&](const char* letter, const char* name, std::size_t Config::*member) {
        table.rows.push_back({letter, name, grouped(two.*member), grouped(seven.*member), grouped(nano.*member)});
    };
    row("L", "layers", &Config::num_hidden_layers);
    row("D", "hidden size", &Config::hidden_size);
    row("F", "feed-forward size", &Config::intermediate_size);
    row("H", "query heads", &Config::num_attention_heads);
    row("K", "key/value heads", &Config::num_key_value_heads);
    row("d", "head dimension", &Config::head_dim);
    row("V", "vocabulary", &Config::vocab_size);
    row("", "context, tokens", &Config::max_position_embeddings);
    lesson.table(table);
    lesson.notice(
        fmt::format("In the 7B, d is not D / H = {}: its heads together are wider, H · d = {}, than the "
                    "vector they read, D = {}.",
                    seven.hidden_size / seven.num_attention_heads, grouped(seven.num_attention_heads * seven.head_dim),
                    grouped(seven.hidden_size)));
}

void tell_parameters(Lesson& lesson) {
    lesson.step("Parameters, counted");
    lesson.text("A layer, matrix by matrix:");
    viz::Table layer{{"a layer's", "shape", "Gemma 2B", "Gemma 7B"}, {}};
    const auto matrix = [&](const char* label, const char* shape, const std::string& name) {
        const std::string full = "model.layers.0." + name;
        layer.rows.push_back({label, shape, grouped(count(two, full)), grouped(count(seven, full))});
    };
    matrix("q_proj", "H·d × D", "self_attn.q_proj");
    matrix("k_proj, and v_proj", "K·d × D", "self_attn.k_proj");
    matrix("o_proj", "D × H·d", "self_attn.o_proj");
    matrix("gate_proj, up_proj, down_proj, each", "F × D", "mlp.gate_proj");
    layer.rows.push_back({"the three together", "", grouped(3 * count(two, "model.layers.0.mlp.gate_proj")),
                          grouped(3 * count(seven, "model.layers.0.mlp.gate_proj"))});
    matrix("a norm, of two", "D", "input_layernorm");
    lesson.table(layer);

    lesson.text("The whole model:");
    viz::Table whole{{"part", "Gemma 2B", "share", "Gemma 7B", "share"}, {}};
    viz::BarChart chart{"Where the parameters are", {"share of all parameters, %"}, {}};
    for (const Part part : {Part::embedding, Part::attention, Part::mlp, Part::norm}) {
        std::vector<std::string> row = {std::string(gemma::to_string(part))};
        for (const auto& [name, config] : {std::pair{"2B", two}, std::pair{"7B", seven}}) {
            const double share = ratio(count(config, part), count(config));
            row.insert(row.end(), {grouped(count(config, part)), percent(share)});
            chart.bars.push_back({fmt::format("{} {}", name, gemma::to_string(part)), 100 * share});
        }
        whole.rows.push_back(row);
    }
    whole.rows.push_back({"total", grouped(count(two)), "", grouped(count(seven)), ""});
    lesson.table(whole);
    lesson.figure("parameters", chart, "The share of each part in the parameters of Gemma 2B and 7B.");
    lesson.notice(
        "Three quarters of a Gemma are its MLPs. The embedding is large because the vocabulary is; it counts once "
        "although it is used twice.");

    const std::size_t rows = 256128;
    lesson.text(fmt::format(
        "The report (table 2) counts {} rows of the embedding, {} and {} parameters; the published "
        "checkpoints have {}.",
        grouped(rows), grouped(rows * two.hidden_size), grouped(rows * seven.hidden_size), grouped(two.vocab_size)));

    const auto off = [](std::size_t counted, double printed) {
        return std::abs(static_cast<double>(counted) - printed);
    };
    lesson.check("2B without embedding: 1,981,884,416", off(count(two) - count(two, Part::embedding), 1981884416.0), 0,
                 "Gemma report, table 2");
    lesson.check("7B without embedding: 7,751,248,896", off(count(seven) - count(seven, Part::embedding), 7751248896.0),
                 0, "Gemma report, table 2");
    std::size_t stored = 0;
    for (const auto& tensor : gemma::Checkpoint(lesson.model_directory()).tensors()) {
        stored += gemma::element_count(tensor.shape);
    }
    lesson.check("the config's count is that of the stored tensors",
                 off(count(lesson.model().config()), static_cast<double>(stored)), 0, "the checkpoint");
}

void tell_names(Lesson& lesson) {
    lesson.step("Is 7B a good name?");
    const std::size_t llama = llama_7b();
    viz::Table table{{"", "parameters", "against Llama-7B"}, {}};
    const auto row = [&](const char* name, std::size_t parameters) {
        table.rows.push_back(
            {name, grouped(parameters), fmt::format("{:+.1f} %", 100 * (ratio(parameters, llama) - 1))});
    };
    row("Llama-7B", llama);
    row("Gemma 7B", count(seven));
    row("Gemma 7B without its embedding", count(seven) - count(seven, Part::embedding));
    row("Gemma 2B", count(two));
    lesson.table(table);
    lesson.text("The slides say: 8.54 billion parameters, +20% larger than Llama-7B; and 2.5 billion.");
    lesson.notice(
        "8.54 billion is right. \"+20 %\" is rounded down a good deal. And even without its embedding, a Gemma 7B is "
        "nearer to 8 "
        "billion parameters than to 7.");
    const auto billions = [](std::size_t parameters, int digits) {
        return fmt::format("{:.{}f}", ratio(parameters, 1000000000), digits);
    };
    lesson.check("7B has 8.54 billion parameters, 2B 2.5",
                 billions(count(seven), 2) == "8.54" && billions(count(two), 1) == "2.5", "the slides");
    lesson.check("Llama-7B has 6.7 billion", billions(llama, 1) == "6.7", "LLaMA's paper, table 2");
}

void tell_memory(Lesson& lesson) {
    lesson.step("Memory");
    viz::Table table{{"weights in", "bytes a number", "Gemma 2B", "Gemma 7B"}, {}};
    for (const auto& [name, bytes] :
         {std::pair{"float32", 4}, std::pair{"bfloat16, float16", 2}, std::pair{"int8", 1}}) {
        const auto size = static_cast<std::size_t>(bytes);
        table.rows.push_back(
            {name, std::to_string(size), gigabytes(size * count(two)), gigabytes(size * count(seven))});
    }
    lesson.table(table);
    lesson.text(fmt::format(
        "The slides say ~5 GB and ~18 GB in bfloat16. Those are the weights, {} and {}, and little else: what is left "
        "of 18 GB holds the keys and values of {} tokens, a quarter of the context.",
        gigabytes(2 * count(two)), gigabytes(2 * count(seven)),
        grouped((18000000000 - 2 * count(seven)) / cache_bytes_a_token(seven))));

    lesson.text("Beside the weights a model keeps the keys and values of all tokens so far. In bfloat16:");
    viz::Table cache{{"KV cache", "bytes a token", "1,024 tokens", "8,192 tokens", "weights and full cache"}, {}};
    viz::Chart chart{"Weights and cache in bfloat16", {"tokens in the cache"}, {"GB", false, 0.0, {}}, {}};
    for (const auto& [name, config] : {std::pair{"Gemma 2B", two}, std::pair{"Gemma 7B", seven}}) {
        const std::size_t bytes = cache_bytes_a_token(config), weights = 2 * count(config);
        const auto mebibytes = [&](std::size_t tokens) { return fmt::format("{} MiB", grouped(bytes * tokens >> 20)); };
        cache.rows.push_back(
            {name, grouped(bytes), mebibytes(1024), mebibytes(8192), gigabytes(weights + 8192 * bytes)});
        chart.series.push_back(viz::curve(
            name, 0, 8192, [&](double tokens) { return (static_cast<double>(weights) + tokens * bytes) / 1e9; }, 3));
    }
    chart.series.push_back({"the slides' 18 GB", {0, 8192}, {18, 18}, viz::Mark::dashes});
    chart.series.push_back({"the slides' 5 GB", {0, 8192}, {5, 5}, viz::Mark::dashes});
    lesson.table(cache);
    lesson.figure("memory", chart, "What the weights and the keys and values of a growing context need, in bfloat16.");
    lesson.notice(
        fmt::format("With one key/value head, the 2B keeps {:.0f} times less a token than the 7B; a full context of "
                    "the 7B takes {:.1f} "
                    "GiB.",
                    ratio(cache_bytes_a_token(seven), cache_bytes_a_token(two)),
                    ratio(8192 * cache_bytes_a_token(seven), 1u << 30)));
}

void tell_claims(Lesson& lesson) {
    lesson.step("What was claimed (not measured here)");
    lesson.text("The Open LLM Leaderboard by Hugging Face, as on the slide: the mean score over its tasks.");
    lesson.table({{"model", "licence", "trained on", "score"},
                  {{"Llama 2 70B Chat (reference)", "Llama 2 license", "2T", "67.87"},
                   {"Gemma-7B", "Gemma license", "6T", "63.75"},
                   {"DeciLM-7B", "Apache 2.0", "unknown", "61.55"},
                   {"PHI-2 (2.7B)", "MIT", "1.4T", "61.33"},
                   {"Mistral-7B-v0.1", "Apache 2.0", "unknown", "60.97"},
                   {"Llama 2 7B", "Llama 2 license", "2T", "54.32"},
                   {"Gemma 2B", "Gemma license", "2T", "46.51"}}});
    lesson.text("MMLU, multiple-choice questions from 57 subjects, of Gemma 7B:");
    lesson.table({{"source", "MMLU"},
                  {{"the slide", "64.56"},
                   {"Gemma report (Mesnard et al. 2024), table 6: run by Google", "64.3"},
                   {"the same, table 7: run by Hugging Face", "64.6"}}});
    lesson.text("Tokens read in training, as on the slides:");
    viz::Table tokens{{"", "tokens", "a parameter"}, {}};
    tokens.rows.push_back({"Gemma 2B", "2T", fmt::format("{:.0f}", 2e12 / static_cast<double>(count(two)))});
    tokens.rows.push_back({"Gemma 7B", "6T", fmt::format("{:.0f}", 6e12 / static_cast<double>(count(seven)))});
    lesson.table(tokens);
}

// --- Breaking it -----------------------------------------------------------------------------------------------------

const char* const prompt = "Anna gave the ball to Tom. Now the ball belongs to";

// A way to run the model: right, or with known mistakes.
struct Way {
    std::string name;
    std::vector<std::string> mistakes = {};

    bool bos() const { return mistakes != std::vector<std::string>{"bos-missing"}; }
};

const std::vector<Way> all_ways = {
    {"right"}, {"erf GELU", {"gelu-erf"}}, {"interleaved RoPE", {"rope-interleaved"}}, {"no bos", {"bos-missing"}}};

// The right tokens go in; a mistake may change them.
Matrix forward(Lesson& lesson, const Way& way, const std::vector<int>& tokens, gemma::Observer* watcher = nullptr) {
    return gemma::forward_with(way.mistakes, lesson.model(), tokens, watcher);
}

// The tokens of the prompt, but for bos: the rows that all ways have.
gemma::TokenRange shared_rows(const Way& way) { return {way.bos() ? std::size_t{1} : 0, gemma::TokenRange::no_end}; }

double relative_of(const gemma::Comparison& comparison, const std::string& name) {
    const auto found = std::find_if(comparison.tensors.begin(), comparison.tensors.end(),
                                    [&](const auto& tensor) { return tensor.name == name; });
    return found->relative;
}

// What differs by 0.0001 only is known to two digits: each of the numbers compared is rounded to float32.
double two_digits(double number) { return std::stod(viz::number(number, 2)); }

void check_erf_gelu(Lesson& lesson, const gemma::Comparison& comparison) {
    const gemma::TensorComparison& first = *comparison.first_divergence();
    lesson.check("erf GELU: act_fn of layer 0 differs first", first.name == "model.layers.0.mlp.act_fn",
                 "the right pass");
    lesson.check("erf GELU: it differs by no more than the forms can", first.difference, 4.74e-4,
                 "their bound, 4.73e-4");
}

// Position 0 is not turned, whatever the pairs: it hides the mistake.
void check_interleaved_rope(Lesson& lesson, const gemma::Comparison& comparison) {
    lesson.check("interleaved RoPE: q_rope of layer 0 differs first",
                 comparison.first_divergence()->name == "model.layers.0.self_attn.q_rope", "the right pass");
    const std::vector<int> first_token = {gemma::SpecialTokens::bos};
    const Matrix right = forward(lesson, all_ways[0], first_token), wrong = forward(lesson, all_ways[2], first_token);
    double difference = 0;
    for (std::size_t v = 0; v < right.size(); ++v) {
        difference = std::max(difference, static_cast<double>(std::abs(right(0, v) - wrong(0, v))));
    }
    lesson.check("interleaved RoPE: position 0 alone hides it", difference, 0, "the right pass");
}

// Without bos every token moves by one position; RoPE's scores know distances only, so they stay.
void check_no_bos(Lesson& lesson, const std::vector<int>& tokens) {
    const std::string name = "model.layers.0.self_attn.scores";
    Recorder with, without;
    forward(lesson, all_ways[0], tokens, &with);
    forward(lesson, all_ways[3], tokens, &without);
    const gemma::RecordedTensor expected = with.tensor(name), found = without.tensor(name);
    const std::size_t H = found.shape[0], T = found.shape[1];
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < H * T * T; ++i) {
        const std::size_t h = i / (T * T), t = i / T % T, s = i % T;
        const double right = expected.numbers[(h * (T + 1) + t + 1) * (T + 1) + s + 1];
        difference = std::max(difference, std::abs(found.numbers[i] - right));
        largest = std::max(largest, std::abs(right));
    }
    lesson.check("no bos: the others' scores in layer 0 stay", difference / largest, 1e-5, "RoPE: distances only");
}

void tell_mistakes(Lesson& lesson) {
    lesson.step("Breaking it on purpose: three known mistakes");
    lesson.text(
        "The same weights, run with one thing wrong each: GELU in the exact form with erf in place of the tanh form; "
        "RoPE on neighbours (2j, 2j+1) in place of halves (j, j + d/2); a prompt without <bos>. The first two are put "
        "in by an observer while the model runs.");
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
    const std::size_t L = lesson.model().config().num_hidden_layers;

    viz::Table table{{"", "the first tensor that differs", "by", "logits by", "loss"}, {}};
    viz::Chart chart{"How far each mistake leads away", {"layer"}, {"largest relative difference", true}, {}};
    for (const Way& way : all_ways) {
        Recorder right({{}, shared_rows(all_ways[0])}), found({{}, shared_rows(way)});
        forward(lesson, all_ways[0], tokens, &right);
        forward(lesson, way, tokens, &found);
        const gemma::Comparison comparison = gemma::compare(right, found);
        const gemma::TensorComparison* first = comparison.first_divergence();
        table.rows.push_back({way.name, first ? first->name : "none",
                              first ? fmt::format("{:.5f}", first->relative) : "",
                              first ? fmt::format("{:.5f}", relative_of(comparison, "lm_head")) : "",
                              fmt::format("{:.4f}", loss_with(lesson, way.mistakes))});
        if (first == nullptr) continue;
        if (way.name == "erf GELU") check_erf_gelu(lesson, comparison);
        if (way.name == "interleaved RoPE") check_interleaved_rope(lesson, comparison);
        viz::Series series{way.name, {}, {}};
        for (std::size_t i = 0; i < L; ++i) {
            series.x.push_back(static_cast<double>(i));
            series.y.push_back(two_digits(relative_of(comparison, lesson::layer_name(i))));
        }
        chart.series.push_back(series);
    }
    check_no_bos(lesson, tokens);
    lesson.table(table);
    lesson.figure("mistakes", chart,
                  "The largest difference in each layer's output, relative to its largest number, on the prompt.");
    lesson.text(
        fmt::format("\"By\": the largest difference relative to the tensor's largest number, on the prompt \"{}\". "
                    "Loss: nats a token on a story.",
                    prompt));
    lesson.text("How the prompt goes on, greedily:");
    for (const Way& way : all_ways) {
        lesson.text(viz::padded(way.name + ":", 18) + text_with(lesson, way.mistakes, prompt, 24));
    }
    lesson.notice(
        "No mistake crashes, and a text is a poor witness: it may not change at all, or change into another good one. "
        "A comparison of numbers, tensor by tensor, finds each mistake and names its place.");
}

// --- What others got wrong -------------------------------------------------------------------------------------------

float bfloat16(float x) { return gemma::bfloat16_to_float(gemma::float_to_bfloat16(x)); }

// What each known mistake costs the small model, the dearest first.
void tell_all_mistakes(Lesson& lesson) {
    lesson.step("All known mistakes, by what they cost");
    lesson.text(
        "gemma diagnose finds these in another program's numbers. Each alone, in the small model: where it shows "
        "first, and the loss on the story.");
    struct Cost {
        const gemma::Mistake* mistake;
        double loss;
    };
    std::vector<Cost> costs;
    for (const gemma::Mistake& mistake : gemma::known_mistakes()) {
        const double loss = loss_with(lesson, {mistake.name});
        costs.push_back({&mistake, std::isnan(loss) ? HUGE_VAL : loss});  // logits that are no numbers guess nothing
    }
    std::stable_sort(costs.begin(), costs.end(), [](const Cost& a, const Cost& b) { return a.loss > b.loss; });
    const double right = loss_with(lesson, {});
    viz::Table table{{"mistake", "shows first in", "loss", "more"}, {}};
    for (const Cost& cost : costs) {
        table.rows.push_back({cost.mistake->name, cost.mistake->shows_at, fmt::format("{:.4f}", cost.loss),
                              change_text(cost.loss - right)});
    }
    lesson.table(table);
    const auto hidden =
        std::count_if(costs.begin(), costs.end(), [&](const Cost& cost) { return std::abs(cost.loss - right) < 0.01; });
    lesson.notice(fmt::format("Of {} mistakes, {} change the loss by less than 0.01: no one would find them by it.",
                              costs.size(), hidden));
    lesson.check("some known mistakes leave the loss as it is", hidden > 0, "the right pass");
}

void tell_more_mistakes(Lesson& lesson) {
    lesson.step("More of them, in numbers");
    lesson.text("bfloat16 keeps 8 significant bits of a number. What one computes in it comes out as:");
    const float w = 3.141592f;
    viz::Table table{{"", "in float32", "in bfloat16"}, {}};
    const auto row = [&](const char* what, float exact) {
        table.rows.push_back({what, fmt::format("{}", exact), fmt::format("{}", bfloat16(exact))});
    };
    row("√D, the scale of the 7B's embedding", std::sqrt(static_cast<float>(seven.hidden_size)));
    row("√D, the scale of the 2B's embedding", std::sqrt(static_cast<float>(two.hidden_size)));
    row("1 + w of RMSNorm, w = 3.141592 stored as bfloat16", 1.0f + bfloat16(w));
    row("position 257 of RoPE", 257.0f);
    row("position 8,191 of RoPE", 8191.0f);
    lesson.table(table);
    lesson.text("No bos, with the real 7B (EleutherAI, lm-evaluation-harness, pull request 1465, 2024):");
    lesson.table({{"LAMBADA", "with bos", "without"},
                  {{"perplexity", "3.46", "5,909,545,606"}, {"accuracy", "0.6707", "0.0037"}}});
}

void tell_real(Lesson& lesson) {
    lesson.step("Run a real one");
    lesson.formula(
        "gemma inspect gemma-2b                                    # this lesson's counts\n"
        "gemma generate --model gemma-2b --prompt \"The capital of France is\"\n"
        "gemma chat --model gemma-2b-it\n"
        "gemma trace --model gemma-2b --tokens 2,651,6037 --out ours.safetensors\n"
        "gemma compare official.safetensors ours.safetensors       # tensor by tensor");
    lesson.text(
        "The project's README says where the weights come from; tests/reference/README.md how official.safetensors "
        "is made.");
}

}  // namespace

int main(int argc, char** argv) {
    const lesson::About about{"14_family", "The family",
                              "What Gemma 2B and 7B are made of and need, and what three small mistakes do to a Gemma.",
                              true};
    return lesson::run(argc, argv, about, [](Lesson& lesson) {
        const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
        forward(lesson, all_ways[0], tokens, &lesson.recorder());
        lesson.traced(prompt, tokens);

        tell_sizes(lesson);
        tell_parameters(lesson);
        tell_names(lesson);
        tell_memory(lesson);
        tell_claims(lesson);
        tell_mistakes(lesson);
        if (lesson.embedded_model()) tell_all_mistakes(lesson);
        tell_more_mistakes(lesson);
        tell_real(lesson);
    });
}
