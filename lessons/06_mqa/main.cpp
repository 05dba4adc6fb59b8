// Lesson 06: query heads share key/value heads, and decoding has less to remember and less to read.

#include "gemma/components/mqa.hpp"

#include "gemma/components/softmax.hpp"
#include "gemma/model/kv_cache.hpp"
#include "gemma/model/parameters.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/06_mqa/paper.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/random.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace {

using gemma::Config;
using gemma::KeyValues;
using gemma::Matrix;
using gemma::Tensor3;
using gemma::WeightMatrix;
using lesson::Cost;
using lesson::costs;
using lesson::Lesson;
using lesson::Translation;
using lesson::translations;
using viz::grouped;

namespace fs = std::filesystem;

std::string mebibytes(std::size_t bytes) { return fmt::format("{} MiB", viz::number(bytes / 0x1p20, 5)); }

// The largest difference, relative to the largest number of the right tensor.
double distance(const float* right, const float* other, std::size_t count) {
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
        difference = std::max(difference, std::fabs(static_cast<double>(right[i]) - other[i]));
        largest = std::max(largest, std::fabs(static_cast<double>(right[i])));
    }
    return difference / largest;
}

// --- A small layer -------------------------------------------------------------------------------------------------

constexpr std::size_t tokens = 6, hidden = 64, heads = 8, head_dim = 8;  // T, D, H, d

// Where a head of a copied layer comes from.
using Source = std::function<std::size_t(std::size_t h)>;

// An attention layer of random matrices, and the same layer with its key/value heads written out one for each query
// head.
struct Layer {
    explicit Layer(std::size_t key_value_heads) : K(key_value_heads) {
        lesson::Random random(6);
        const double scale = 1 / std::sqrt(static_cast<double>(hidden));
        q_proj = random.normal<2>({heads * head_dim, hidden}, scale);
        k_proj = random.normal<2>({K * head_dim, hidden}, scale);
        v_proj = random.normal<2>({K * head_dim, hidden}, scale);
        o_proj = random.normal<2>({hidden, heads * head_dim}, scale);
    }

    Matrix forward(const Matrix& x, gemma::Trace trace = {}) const {
        const gemma::AttentionWeights weights = {WeightMatrix::of(q_proj), WeightMatrix::of(k_proj),
                                                 WeightMatrix::of(v_proj), WeightMatrix::of(o_proj)};
        KeyValues past(K, x.shape(0), head_dim);
        return gemma::attention(x, weights, gemma::rope_rotation(0, x.shape(0), head_dim), past, trace);
    }

    Layer written_out(const Source& source) const {
        Layer copy(heads);
        copy.q_proj = q_proj;
        copy.o_proj = o_proj;
        constexpr std::size_t size = head_dim * hidden;  // of one head's rows of a matrix
        for (std::size_t h = 0; h < heads; ++h) {
            std::copy_n(k_proj.data() + source(h) * size, size, copy.k_proj.data() + h * size);
            std::copy_n(v_proj.data() + source(h) * size, size, copy.v_proj.data() + h * size);
        }
        return copy;
    }

    std::size_t K;
    Matrix q_proj, k_proj, v_proj, o_proj;
};

Matrix some_tokens() { return lesson::Random(60).normal<2>({tokens, hidden}); }

void step_shapes(Lesson& lesson) {
    lesson.step("One function, three kinds of attention");
    lesson.text("H query heads ask, K key/value heads answer. H/K query heads in a row share one of them.");
    lesson.formula(
        "query, key, value = x Wqᵀ, x Wkᵀ, x Wvᵀ    H, K and K heads of d numbers; RoPE turns two of them\n"
        "scores  = query keyᵀ / √d                  query head h against key head h·K/H, rounded down\n"
        "probs   = softmax(scores)                  seeing no later token\n"
        "context = probs value                      value head h·K/H\n"
        "y       = context Woᵀ");
    lesson.text(fmt::format("A layer with T = {} tokens, D = {}, H = {}, d = {}, three times:", tokens, hidden, heads,
                            head_dim));
    const std::pair<std::size_t, const char*> kinds[] = {{8, "multi_head"}, {2, "grouped_query"}, {1, "multi_query"}};
    const Matrix x = some_tokens();
    for (const auto& [K, name] : kinds) Layer(K).forward(x, lesson.trace(name));

    viz::Table table{{"tensor", "axes", "multi-head, K = 8", "grouped, K = 2", "multi-query, K = 1"}, {}};
    const std::pair<const char*, const char*> tensors[] = {
        {"q_rope", "T H d"}, {"k_rope", "T K d"},  {"v_proj", "T K d"}, {"scores", "H T S"},
        {"probs", "H T S"},  {"context", "T H d"}, {"o_proj", "T D"}};
    for (const auto& [tensor, axes] : tensors) {
        std::vector<std::string> row = {tensor, axes};
        for (const auto& [K, name] : kinds) {
            row.push_back(gemma::to_string(lesson.recorder().shape(fmt::format("{}.{}", name, tensor))));
        }
        table.rows.push_back(row);
    }
    lesson.table(table);
    lesson.notice(
        "Only keys and values shrink. There are as many scores as before: each query head still looks in "
        "its own way.");
}

// --- Which head is read ----------------------------------------------------------------------------------------------

// The context of a token that sees two, where every value of key/value head k is the number k.
std::vector<float> heads_read(std::size_t K) {
    Tensor3 key = Tensor3::from_shape({2, K, head_dim}), value = key;
    key.fill(0.0f);
    for (std::size_t i = 0; i < value.size(); ++i) value.data()[i] = static_cast<float>(i / head_dim % K);
    KeyValues past(K, 2, head_dim);
    past.append(key, value);
    Tensor3 probs = Tensor3::from_shape({heads, 1, 2});
    probs.fill(0.5f);
    const Tensor3 context = gemma::attention_context(probs, past);
    std::vector<float> read(heads);
    for (std::size_t h = 0; h < heads; ++h) read[h] = context(0, h, 0);
    return read;
}

void step_which_head(Lesson& lesson) {
    lesson.step("Which key/value head does a query head read?");
    lesson.text(
        "Fill every value of key/value head k with the number k. Probabilities sum to 1, so the context of a "
        "query head is the number of the head that it has read:");
    viz::Table table{{"context of query head"}, {}};
    for (std::size_t h = 0; h < heads; ++h) table.header.push_back(fmt::format("h = {}", h));
    double difference = 0;
    for (const std::size_t K : {8, 4, 2, 1}) {
        std::vector<std::string> row = {fmt::format("K = {}", K)};
        const std::vector<float> read = heads_read(K);
        for (std::size_t h = 0; h < heads; ++h) {
            row.push_back(viz::number(read[h]));
            const std::size_t expected = h * K / heads;
            difference = std::max(difference, std::fabs(static_cast<double>(read[h]) - static_cast<double>(expected)));
        }
        table.rows.push_back(row);
    }
    lesson.table(table);
    lesson.notice("Heads share in order: with K = 2, the first four read head 0 and the last four head 1.");
    lesson.check("query head h reads key/value head h·K/H", difference, 1e-6, "closed form");
}

void step_repeat(Lesson& lesson) {
    lesson.step("Repeat, do not tile");
    lesson.text(
        "Write the K heads out H times and multi-head attention does the rest. There are two ways to write "
        "them out, and one is wrong:");
    lesson.formula(
        "repeat   0 0 0 0 1 1 1 1      head h is a copy of head h·K/H\n"
        "tile     0 1 0 1 0 1 0 1      head h is a copy of head h mod K");
    const Matrix x = some_tokens();
    viz::Table table{{"layer", "repeated: largest difference", "tiled: largest difference"}, {}};
    double repeated_worst = 0, tiled_at_ends = 0, tiled_between = std::numeric_limits<double>::infinity();
    for (const std::size_t K : {8, 4, 2, 1}) {
        const Layer layer(K);
        const Matrix right = layer.forward(x);
        const Matrix repeated = layer.written_out([K](std::size_t h) { return h * K / heads; }).forward(x);
        const Matrix tiled = layer.written_out([K](std::size_t h) { return h % K; }).forward(x);
        const double repeat = distance(right.data(), repeated.data(), right.size());
        const double tile = distance(right.data(), tiled.data(), right.size());
        repeated_worst = std::max(repeated_worst, repeat);
        const bool end = K == 1 || K == heads;
        (end ? tiled_at_ends : tiled_between) = end ? std::max(tiled_at_ends, tile) : std::min(tiled_between, tile);
        const auto percent = [](double share) { return fmt::format("{:.1f} %", 100 * share); };
        table.rows.push_back({fmt::format("K = {}", K), percent(repeat), percent(tile)});
    }
    lesson.table(table);
    lesson.notice(
        "With K = H and with K = 1 both orders are the same, so Gemma's own sizes never show the mistake: "
        "test with 1 < K < H.");
    lesson.check("heads repeated: multi-head attention gives the same", repeated_worst, 1e-6, "closed form");
    lesson.check("heads tiled: the same at K = 1 and K = H", tiled_at_ends, 1e-6, "closed form");
    lesson.check("heads tiled: wrong by more than 10 % at 1 < K < H", tiled_between > 0.1, "closed form");
}

// --- What it costs -------------------------------------------------------------------------------------------------

Config with_key_value_heads(Config config, std::size_t K) {
    config.num_key_value_heads = K;
    return config;
}

std::size_t key_value_parameters(const Config& config) {
    std::size_t count = 0;
    for (const gemma::Parameter& parameter : gemma::parameters(config)) {
        const bool key_or_value = parameter.info.name.find("k_proj") != std::string::npos ||
                                  parameter.info.name.find("v_proj") != std::string::npos;
        if (key_or_value) count += gemma::element_count(parameter.info.shape);
    }
    return count;
}

// Counted in a cache with room for one token.
std::size_t cache_numbers(const Config& config) {
    gemma::KVCache cache(config, 1);
    std::size_t numbers = 0;
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        numbers += cache.layer(i).keys.size() + cache.layer(i).values.size();
    }
    return numbers;
}

void step_cost(Lesson& lesson) {
    lesson.step("What K costs: parameters and cache");
    lesson.formula(
        "parameters of Wk and Wv = 2 · L · K · d · D\n"
        "cache of one token      = 2 · L · K · d numbers: 2 bytes each in bfloat16, 4 in float32");
    const Config models[] = {gemma::gemma_2b(), gemma::gemma_7b()};
    viz::Table table{{"", "K", "Wk and Wv", "bfloat16: a token", "8,192 tokens", "float32: 8,192 tokens", ""}, {}};
    viz::BarChart chart{"KV cache of 8,192 tokens in bfloat16", {"MiB", false, 0.0, {}}, {}};
    for (const Config& model : models) {
        const std::size_t H = model.num_attention_heads;
        const std::string name = H == 8 ? "Gemma 2B" : "Gemma 7B";
        for (std::size_t K = H; K >= 1; K /= 2) {
            const Config config = with_key_value_heads(model, K);
            const std::size_t token = 2 * cache_numbers(config), context = token * model.max_position_embeddings;
            const bool real = K == model.num_key_value_heads;
            table.rows.push_back({name, std::to_string(K), grouped(key_value_parameters(config)), grouped(token) + " B",
                                  mebibytes(context), mebibytes(2 * context), real ? "← as it is" : ""});
            chart.bars.push_back({fmt::format("{}, K = {}{}", name, K, real ? " (as it is)" : ""), context / 0x1p20});
        }
    }
    lesson.table(table);
    lesson.notice(
        "Each halving of K halves both. Gemma 2B pays 18,432 B a token and 144 MiB for its whole context; "
        "Gemma 7B pays 458,752 B and 3.5 GiB. The lessons compute in float32, where it is twice that.");
    lesson.figure("cache_bytes", chart, "The KV cache of a full context, for each K that the two models could have");
    const auto bytes = [](const Config& config) { return 2.0 * cache_numbers(config); };
    lesson.check("Gemma 2B: 18,432 B a token", std::fabs(bytes(models[0]) - 18432), 0, "2 · 2 · L · K · d");
    lesson.check("Gemma 7B: 458,752 B a token", std::fabs(bytes(models[1]) - 458752), 0, "2 · 2 · L · K · d");
}

// --- The paper -----------------------------------------------------------------------------------------------------

void step_quality(Lesson& lesson) {
    lesson.step("What it costs in quality: the paper's first table");
    lesson.text(
        "WMT14 EN-DE results (Shazeer 2019). The last column is computed here: the parameters of attention and "
        "feed-forward, for 6 + 6 layers of 1,024 numbers.");
    viz::Table table{{"attention", "h", "d_k, d_v", "d_ff", "ln PPL", "PPL", "BLEU dev", "BLEU test", "parameters"},
                     {}};
    std::size_t apart = 0;
    for (const Translation& row : translations) {
        table.rows.push_back({row.attention, std::to_string(row.h), std::to_string(row.d_k), std::to_string(row.d_ff),
                              fmt::format("{:.3f}", row.ln_ppl), fmt::format("{:.3f}", std::exp(row.ln_ppl)),
                              row.bleu_dev, row.bleu_test, grouped(row.parameters())});
        const std::size_t baseline = translations.front().parameters();
        apart = std::max(apart, std::max(row.parameters(), baseline) - std::min(row.parameters(), baseline));
    }
    lesson.table(table);
    lesson.text("BLEU test: with beam 1 / with beam 4. PPL: e to the power of ln PPL.");
    const double loss = std::exp(translations[1].ln_ppl - translations[0].ln_ppl) - 1;
    lesson.notice(
        fmt::format("Multi-query attention costs 0.015 in ln PPL, {:.1f} % in perplexity. Saving the same "
                    "memory with fewer or smaller heads (the last four rows) costs 0.056 or more. What "
                    "attention saves in parameters, d_ff gets: all rows are the same size.",
                    100 * loss));
    lesson.check("all rows of the paper's table have one size", static_cast<double>(apart), 0, "Shazeer 2019");
}

void step_paper_times(Lesson& lesson) {
    lesson.step("What it gains in time: the paper's second table");
    lesson.text(
        "WMT14 EN-DE, sequence length 128, in TPUv2-microseconds for each output token (Shazeer 2019); "
        "encoder + decoder.");
    viz::Table table{{"attention", "training", "inference", "beam-4 search"}, {}};
    for (const Cost& row : costs) {
        table.rows.push_back({row.attention, fmt::format("{:.1f}", row.training),
                              fmt::format("{:.1f} + {}", row.encoder, viz::number(row.decoder)),
                              fmt::format("{:.1f} + {}", row.beam_encoder, viz::number(row.beam_decoder))});
    }
    const auto ratio = [](double a, double b) { return fmt::format("{:.1f} ×", a / b); };
    const auto faster = [&](const char* name, const Cost& head, const Cost& query) {
        table.rows.push_back({name, ratio(head.training, query.training), ratio(head.decoder, query.decoder),
                              ratio(head.beam_decoder, query.beam_decoder)});
    };
    faster("gain of the decoder", costs[0], costs[1]);
    faster("gain of the decoder, local", costs[2], costs[3]);
    lesson.table(table);
    lesson.notice("Training gains next to nothing: it multiplies as many numbers. Decoding gains a factor of 12.1.");
    lesson.check("46 to 3.8 is a factor of 12.1", std::fabs(costs[0].decoder / costs[1].decoder - 12.1), 0.05,
                 "Shazeer 2019");
    lesson.check("203 to 32 is a factor of 6.3", std::fabs(costs[0].beam_decoder / costs[1].beam_decoder - 6.3), 0.05,
                 "Shazeer 2019");
}

// --- Time, measured --------------------------------------------------------------------------------------------------

// Seconds for the attention of one token with a past, a layer. There are as many layers as it takes for the keys and
// values of all to be of one size, whatever K is: too large for the processor's caches, as in a real model.
double seconds_of_decoding(std::size_t H, std::size_t K, std::size_t d, std::size_t S) {
    lesson::Random random(61);
    const Tensor3 head = random.normal<3>({64, 1, d});
    std::vector<KeyValues> layers(H / K, KeyValues(K, S, d));
    for (KeyValues& past : layers) {
        for (std::size_t i = 0; i < past.keys.size(); i += head.size()) {
            std::copy(head.begin(), head.end(), past.keys.data() + i);
            std::copy(head.begin(), head.end(), past.values.data() + i);
        }
        past.length = S;
    }
    const Tensor3 query = random.normal<3>({1, H, d});
    double best = std::numeric_limits<double>::infinity();
    for (int repetition = 0; repetition < 3; ++repetition) {
        const auto start = std::chrono::steady_clock::now();
        for (const KeyValues& past : layers) {
            gemma::attention_context(gemma::causal_softmax(gemma::attention_scores(query, past)), past);
        }
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        best = std::min(best, elapsed.count() / static_cast<double>(layers.size()));
    }
    return best;
}

void step_time(Lesson& lesson) {
    constexpr std::size_t H = 8, d = 256, S = 4096;
    lesson.step("Why: the same sums, fewer numbers to read");
    lesson.text(
        fmt::format("One layer of Gemma 2B's shape (H = {}, d = {}) decodes one token after {}: each query head "
                    "multiplies with S keys and S values.",
                    H, d, grouped(S)));
    lesson.formula(
        "multiply-adds  2 · H · S · d      the same for every K\n"
        "numbers read   2 · K · S · d      the keys and values, once each\n"
        "uses           H / K              of each number read: one for multi-head attention");
    viz::Table table{{"K", "multiply-adds", "numbers read", "uses", "float32 MiB", "measured here", "gain"}, {}};
    double first = 0;
    for (const std::size_t K : {8, 4, 2, 1}) {
        const double seconds = seconds_of_decoding(H, K, d, S);
        if (K == H) first = seconds;
        table.rows.push_back({std::to_string(K), grouped(2 * H * S * d), grouped(2 * K * S * d), std::to_string(H / K),
                              viz::number(2 * K * S * d * sizeof(float) / 0x1p20),
                              fmt::format("{:.2f} ms", 1e3 * seconds), fmt::format("{:.1f} ×", first / seconds)});
    }
    lesson.table(table);
    lesson.notice(
        "A processor multiplies much faster than its memory delivers, so decoding waits for memory. Here the "
        "gain need not reach H: the multiply-adds are as many for every K, and where there is little left to "
        "read, it is they that take the time.");
}

// --- Gemma -----------------------------------------------------------------------------------------------------------

void step_gemma(Lesson& lesson) {
    lesson.step("Which Gemma uses which");
    lesson.text("Both in bfloat16, the cache for 8,192 tokens:");
    viz::Table table{{"", "D", "H", "K", "d", "kind", "weights", "cache", "cache / weights"}, {}};
    const auto row = [&](const std::string& name, const Config& config) {
        std::size_t parameters = 0;
        for (const gemma::Parameter& parameter : gemma::parameters(config)) {
            parameters += gemma::element_count(parameter.info.shape);
        }
        const std::size_t H = config.num_attention_heads, K = config.num_key_value_heads;
        const double weights = 2.0 * static_cast<double>(parameters);
        const double cache = 2.0 * static_cast<double>(cache_numbers(config)) * config.max_position_embeddings;
        table.rows.push_back({name, std::to_string(config.hidden_size), std::to_string(H), std::to_string(K),
                              std::to_string(config.head_dim), K == H ? "multi-head" : "multi-query",
                              fmt::format("{:.2f} GB", weights / 1e9), fmt::format("{:.2f} GB", cache / 1e9),
                              fmt::format("{:.1f} %", 100 * cache / weights)});
    };
    const Config small = gemma::gemma_2b(), large = gemma::gemma_7b();
    row("Gemma 2B", small);
    row("  if it were multi-head", with_key_value_heads(small, small.num_attention_heads));
    row("Gemma 7B", large);
    row("  if it were multi-query", with_key_value_heads(large, 1));
    lesson.table(table);
    lesson.text(
        "The report: \"the 7B model uses multi-head attention while the 2B checkpoints use multi-query "
        "attention (with num_kv_heads = 1), based on ablations that showed that multi-query attention works well "
        "at small scales\".");
}

// Attention's middle on the official queries, keys and values.
void step_official(Lesson& lesson) {
    lesson.step("The official model's numbers");
    const gemma::TraceFile official(fs::path(GEMMA_LESSON).parent_path() / "10_forward_pass/official.safetensors");
    const std::string layer = "model.layers.0.self_attn.";
    const auto heads_of = [&](const std::string& name) {
        const gemma::RecordedTensor tensor = official.tensor(layer + name);
        Tensor3 heads = Tensor3::from_shape({tensor.shape[0], tensor.shape[1], tensor.shape[2]});
        std::copy(tensor.numbers.begin(), tensor.numbers.end(), heads.begin());
        return heads;
    };
    const Tensor3 query = heads_of("q_rope"), key = heads_of("k_rope"), value = heads_of("v_proj");
    KeyValues past(key.shape(1), key.shape(0), key.shape(2));
    past.append(key, value);
    const Tensor3 probs = gemma::causal_softmax(gemma::attention_scores(query, past));
    const Tensor3 context = gemma::attention_context(probs, past);
    const Tensor3 official_probs = heads_of("probs"), official_context = heads_of("context");

    lesson.text(
        fmt::format("Layer 0 of the small model, {} query heads and {} key/value head{}, from official queries, "
                    "keys and values. The context of the last token, first number of each head:",
                    query.shape(1), key.shape(1), key.shape(1) == 1 ? "" : "s"));
    viz::Table table{{"query head", "here", "official"}, {}};
    const std::size_t last = context.shape(0) - 1;
    for (std::size_t h = 0; h < context.shape(1); ++h) {
        table.rows.push_back({std::to_string(h), fmt::format("{:.4f}", context(last, h, 0)),
                              fmt::format("{:.4f}", official_context(last, h, 0))});
    }
    lesson.table(table);
    lesson.check("probs of the small model's layer 0", distance(official_probs.data(), probs.data(), probs.size()),
                 1e-5, "the official model");
    lesson.check("context of the small model's layer 0",
                 distance(official_context.data(), context.data(), context.size()), 1e-5, "the official model");
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv,
                       {"06_mqa", "multi-query attention",
                        "Query heads share key/value heads: why Gemma 2B decodes with one of them and 7B with all."},
                       [](Lesson& lesson) {
                           step_shapes(lesson);
                           step_which_head(lesson);
                           step_repeat(lesson);
                           step_cost(lesson);
                           step_quality(lesson);
                           step_paper_times(lesson);
                           step_time(lesson);
                           step_gemma(lesson);
                           step_official(lesson);
                           lesson::what_breaks(
                               lesson, "attention weighs in another way",
                               {"scale-missing", "scale-twice", "heads-tiled", "mask-missing", "mask-off-by-one",
                                "mask-zero", "key-value-swapped", "heads-not-transposed"});
                       });
}
