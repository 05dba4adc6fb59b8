// Lesson 11: keys and values are kept, so that a new token costs one row of work, and the numbers stay the same.

#include "gemma/components/softmax.hpp"
#include "gemma/model/kv_cache.hpp"
#include "gemma/model/parameters.hpp"
#include "gemma/trace/compare.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/11_kv_cache/work.hpp"
#include "lessons/lesson.hpp"
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
using gemma::KVCache;
using gemma::Matrix;
using gemma::Model;
using gemma::Recorder;
using gemma::Trace;
using lesson::Lesson;
using lesson::work;
using lesson::WorkCounter;
using lesson::Writing;
using lesson::writing;
using viz::grouped;

namespace fs = std::filesystem;

// What the lesson runs: the prompt of the official numbers, or with --model its text in that model's tokens.
struct Run {
    std::string prompt;
    std::vector<int> tokens;
};

fs::path official_trace() { return fs::path(GEMMA_LESSON).parent_path() / "10_forward_pass/official.safetensors"; }

Run run_of(Lesson& lesson) {
    const gemma::TraceHeader official = gemma::TraceFile(official_trace()).header();
    if (lesson.embedded_model()) return {official.prompt, official.tokens};
    return {official.prompt, lesson.tokenizer().encode_prompt(official.prompt)};
}

std::vector<int> slice(const std::vector<int>& tokens, std::size_t first, std::size_t count) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(first);
    return std::vector<int>(begin, begin + static_cast<std::ptrdiff_t>(std::min(count, tokens.size() - first)));
}

int likeliest(const Matrix& logits) {
    const float* row = &logits(logits.shape(0) - 1, 0);
    return static_cast<int>(std::max_element(row, row + logits.shape(1)) - row);
}

// All tokens through the model, `piece` at a time. Returns the logits of the last piece.
Matrix forward_in_pieces(const Model& model, const std::vector<int>& tokens, std::size_t piece, KVCache& cache,
                         Trace trace) {
    Matrix logits;
    for (std::size_t first = 0; first < tokens.size(); first += piece) {
        logits = model.forward(slice(tokens, first, piece), cache, trace);
    }
    return logits;
}

// --- Prefill and decode
// ------------------------------------------------------------------------------------------------

void step_two_phases(Lesson& lesson, const Run& run) {
    lesson.step("Prefill, then decode");
    lesson.text(
        "A model predicts one token at a time. Prefill: the prompt goes through at once, and the keys and values "
        "of all its tokens stay. Decode: each new token goes through alone and meets them.");
    constexpr std::size_t decoded = 5;
    KVCache cache(lesson.model().config(), run.tokens.size() + decoded);
    viz::Table table{{"pass", "tokens in (T)", "seen after it (S)", "input", "likeliest next"}, {}};
    std::vector<int> input = run.tokens;
    for (std::size_t pass = 0; pass <= decoded; ++pass) {
        const int next = likeliest(lesson.model().forward_last(input, cache));
        const std::string last = lesson.tokenizer().piece(input.back());
        table.rows.push_back({pass == 0 ? "prefill" : fmt::format("decode {}", pass), std::to_string(input.size()),
                              std::to_string(cache.length()), input.size() > 1 ? "<bos> … " + last : last,
                              lesson.tokenizer().piece(next)});
        input = {next};
    }
    lesson.table(table);
    lesson.notice("After the first pass only one row of numbers goes through the layers, however long the text is.");
}

// --- What is in it -------------------------------------------------------------------------------------------------

// The largest difference of the cache's keys and values from those that a record shows: 0 when they are copies.
double difference_from_record(KVCache& cache, const Recorder& record, std::size_t layers) {
    double worst = 0;
    for (std::size_t i = 0; i < layers; ++i) {
        const std::string scope = fmt::format("model.layers.{}.self_attn.", i);
        const gemma::RecordedTensor key = record.tensor(scope + "k_rope"), value = record.tensor(scope + "v_proj");
        const std::size_t T = key.shape[0], K = key.shape[1], d = key.shape[2];
        for (std::size_t n = 0; n < T * K * d; ++n) {
            const std::size_t t = n / (K * d), k = n / d % K;
            const double of_key = cache.layer(i).keys(k, t, n % d) - key.numbers[n];
            const double of_value = cache.layer(i).values(k, t, n % d) - value.numbers[n];
            worst = std::max({worst, std::fabs(of_key), std::fabs(of_value)});
        }
    }
    return worst;
}

void step_content(Lesson& lesson, const Run& run) {
    lesson.step("What is in the cache");
    const Model& model = lesson.model();
    const Config& config = model.config();
    KVCache cache(config, run.tokens.size() + 1);
    const int next = likeliest(model.forward(run.tokens, cache, lesson.trace()));
    lesson.traced(run.prompt, run.tokens);

    const auto& keys = cache.layer(0).keys;
    lesson.text(
        fmt::format("For each of L = {} layers, keys and values [K, room, d] = {} of the tokens so far. A key of "
                    "layer 0, head 0, its first number and its partner in RoPE, number d/2:",
                    config.num_hidden_layers, gemma::to_string(gemma::shape_of(keys))));
    const std::size_t K = keys.shape(0), d = keys.shape(2);
    const gemma::RecordedTensor before = lesson.recorder().tensor("model.layers.0.self_attn.k_proj");
    const gemma::RecordedTensor after = lesson.recorder().tensor("model.layers.0.self_attn.k_rope");
    const auto pair = [](float a, float b) { return fmt::format("{:9.4f} {:9.4f}", a, b); };
    viz::Table table{{"position", "token", "k_proj", "k_rope", "in the cache"}, {}};
    for (std::size_t t = 0; t < std::min<std::size_t>(5, run.tokens.size()); ++t) {
        const std::size_t at = t * K * d;
        table.rows.push_back({std::to_string(t), lesson.tokenizer().piece(run.tokens[t]),
                              pair(before.numbers[at], before.numbers[at + d / 2]),
                              pair(after.numbers[at], after.numbers[at + d / 2]),
                              pair(keys(0, t, 0), keys(0, t, d / 2))});
    }
    lesson.table(table);
    lesson.notice(
        "Keys are kept after their rotation. The angle of a key depends on its own position only, and that "
        "never changes; so it is turned once. A query is used once and not kept.");

    const double copied = difference_from_record(cache, lesson.recorder(), config.num_hidden_layers);
    model.read({next}, cache);
    const double later = difference_from_record(cache, lesson.recorder(), config.num_hidden_layers);
    lesson.check("the cache holds k_rope and v_proj", copied, 0, "the pass's own record");
    lesson.check("a later token changes nothing in it", later, 0, "the pass's own record");
}

// --- The same numbers ----------------------------------------------------------------------------------------------

void step_same_numbers(Lesson& lesson, const Run& run) {
    lesson.step("The same numbers");
    lesson.text(
        "The prompt again: at once, in pieces of 7, token by token. Each run is recorded, and every tensor is "
        "compared with the run at once: the largest difference, as a share of the tensor's largest number.");
    const Config& config = lesson.model().config();
    Recorder whole, by_token;
    viz::Table table{{"run", "passes", "tensors", "largest difference", "in"}, {}};
    const auto compared = [&](const std::string& name, const gemma::Record& reference, const gemma::Record& other,
                              std::string passes) {
        const gemma::Comparison comparison = gemma::compare(reference, other);
        const auto worst = std::max_element(comparison.tensors.begin(), comparison.tensors.end(),
                                            [](const auto& a, const auto& b) { return a.relative < b.relative; });
        table.rows.push_back({name, std::move(passes), std::to_string(comparison.tensors.size()),
                              fmt::format("{:.1e}", worst->relative), worst->name.substr(worst->name.find('.') + 1)});
        return worst->relative;
    };
    const auto run_in_pieces = [&](std::size_t piece, Recorder& recorder) {
        KVCache cache(config, run.tokens.size());
        forward_in_pieces(lesson.model(), run.tokens, piece, cache, Trace(recorder));
    };
    const std::size_t T = run.tokens.size();
    Recorder by_seven;
    run_in_pieces(T, whole);
    run_in_pieces(7, by_seven);
    run_in_pieces(1, by_token);
    const double seven = compared("pieces of 7", whole, by_seven, std::to_string((T + 6) / 7));
    const double one = compared("token by token", whole, by_token, std::to_string(T));
    lesson.check("pieces of 7: every tensor as in one pass", seven, 1e-5, "one pass");
    lesson.check("token by token: every tensor as in one pass", one, 1e-5, "one pass");
    if (lesson.embedded_model()) {
        const double official =
            compared("token by token, official", gemma::TraceFile(official_trace()), by_token, std::to_string(T));
        lesson.check("token by token: every tensor", official, 1e-5, "the official model");
    }
    lesson.table(table);
    lesson.notice(
        "No number of an earlier token depends on a later one: that is what the causal mask is for, and why "
        "keeping them is exact. What differs is the order of sums in a matrix product.");
}

// --- The mask --------------------------------------------------------------------------------------------------------

void step_mask(Lesson& lesson) {
    lesson.step("What a new token sees");
    lesson.formula("token t of the T that go in sees  S - T + t + 1  tokens: all before it, and itself");
    lesson.text("Five tokens in three ways. ■ is seen, · is masked; found by a softmax of equal scores:");
    constexpr std::size_t S = 5;
    const auto seen = [](std::size_t T) {
        gemma::Tensor3 scores = gemma::Tensor3::from_shape({1, T, S});
        scores.fill(0.0f);
        const gemma::Tensor3 probs = gemma::causal_softmax(scores);
        std::vector<std::string> rows(S);  // by position
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t s = 0; s < S; ++s) rows[S - T + t] += probs(0, t, s) > 0 ? "■ " : "· ";
        }
        return rows;
    };
    const std::vector<std::string> at_once = seen(5), last_two = seen(2), last = seen(1);
    viz::Table table{{"token", "T = 5, S = 5", "T = 2, S = 5", "T = 1, S = 5"}, {}};
    for (std::size_t t = 0; t < S; ++t) {
        table.rows.push_back({std::to_string(t), at_once[t], last_two[t], last[t]});
    }
    lesson.table(table);
    lesson.notice(
        "One token alone has nothing to hide: its row is a plain softmax over all S. A program that masks as "
        "if the tokens were the first ones (the upper left corner) is wrong as soon as there is a past.");

    gemma::Tensor3 scores = gemma::Tensor3::from_shape({1, 1, S});
    gemma::Vector row = gemma::Vector::from_shape({S});
    for (std::size_t s = 0; s < S; ++s) row(s) = scores(0, 0, s) = 0.3f * static_cast<float>(s);
    const gemma::Tensor3 masked = gemma::causal_softmax(scores);
    const gemma::Vector plain = gemma::softmax(row);
    double difference = 0;
    for (std::size_t s = 0; s < S; ++s)
        difference = std::max(difference, std::fabs(double(masked(0, 0, s)) - plain(s)));
    lesson.check("one new token: the mask hides nothing", difference, 0, "softmax");
    lesson.check("five at once, and two after three, see the same rows",
                 at_once[3] == last_two[3] && at_once[4] == last_two[4] && last[4] == at_once[4], "closed form");
}

// --- Work
// --------------------------------------------------------------------------------------------------------------

Writing counted_writing(const Model& model, const std::vector<int>& tokens) {
    WorkCounter with(model.config()), without(model.config());
    KVCache kept(model.config(), tokens.size());
    for (std::size_t i = 1; i <= tokens.size(); ++i) {
        model.forward_last({tokens[i - 1]}, kept, Trace(with));
        KVCache empty(model.config(), i);
        model.forward_last(slice(tokens, 0, i), empty, Trace(without));
    }
    return {with.multiply_adds, without.multiply_adds};
}

std::string billions(std::size_t number) {
    return number < 1000000000000 ? fmt::format("{:.1f}", number / 1e9) : grouped((number + 500000000) / 1000000000);
}

void step_work(Lesson& lesson, const Run& run) {
    lesson.step("The work, with and without");
    lesson.formula(
        "a pass of T tokens, S in all   L · T · (2 H d D + 2 K d D + 3 D F  +  2 H d S)  +  V D\n"
        "token n with a cache           T = 1, S = n\n"
        "token n without                T = n, S = n");
    lesson.text("Gemma 2B, in billions of multiply-adds, to write token n, and to write all tokens up to it:");
    const Config config = gemma::gemma_2b();
    viz::Table table{{"n", "token n: with", "without", "ratio", "all up to n: with", "without", "ratio"}, {}};
    for (const std::size_t n : {1, 16, 256, 2048, 8192}) {
        const std::size_t with = work(config, 1, n), without = work(config, n, n);
        const Writing all = writing(config, n);
        const auto ratio = [](std::size_t a, std::size_t b) {
            return fmt::format("{:.1f}", static_cast<double>(a) / static_cast<double>(b));
        };
        table.rows.push_back({grouped(n), billions(with), billions(without), ratio(without, with), billions(all.with),
                              billions(all.without), ratio(all.without, all.with)});
    }
    lesson.table(table);
    lesson.notice(
        "Without a cache each token costs as much as the whole text so far, and a text costs the square of "
        "its length. With it, what grows is attention alone: 2 H d S for each layer.");

    viz::Series with{"with a cache", {}, {}}, without{"without", {}, {}};
    for (std::size_t n = 1; n <= 8192; n *= 2) {
        for (viz::Series* series : {&with, &without}) series->x.push_back(static_cast<double>(n));
        with.y.push_back(work(config, 1, n) / 1e9);
        without.y.push_back(work(config, n, n) / 1e9);
    }
    lesson.figure("work",
                  {"Gemma 2B: the work for token n",
                   {"n", true, {}, {}},
                   {"billion multiply-adds", true, {}, {}},
                   {with, without}},
                  "Multiply-adds for one more token, with and without a cache");

    const Config& own = lesson.model().config();
    const Writing expected = writing(own, run.tokens.size()), counted = counted_writing(lesson.model(), run.tokens);
    lesson.text(
        fmt::format("Counted while this lesson's model wrote {} tokens: {} multiply-adds with the cache, {} "
                    "without.",
                    run.tokens.size(), grouped(counted.with), grouped(counted.without)));
    const auto apart = [](std::size_t a, std::size_t b) {
        return std::fabs(static_cast<double>(a) - static_cast<double>(b));
    };
    lesson.check("multiply-adds counted with a cache", apart(counted.with, expected.with), 0, "closed form");
    lesson.check("multiply-adds counted without", apart(counted.without, expected.without), 0, "closed form");
}

// --- Time ----------------------------------------------------------------------------------------------------------

double best_seconds(int repetitions, const std::function<void()>& function) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < repetitions; ++i) {
        const auto start = std::chrono::steady_clock::now();
        function();
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        best = std::min(best, elapsed.count());
    }
    return best;
}

void step_time(Lesson& lesson, const Run& run) {
    lesson.step("The time of one token");
    const Model& model = lesson.model();
    const std::vector<std::size_t> lengths =
        lesson.embedded_model() ? std::vector<std::size_t>{16, 64, 256} : std::vector<std::size_t>{4, 16, 64};
    const int repetitions = lesson.embedded_model() ? 2 : 1;
    std::vector<int> tokens;  // the prompt over and over: the time does not depend on the words
    while (tokens.size() < lengths.back()) tokens.push_back(run.tokens[tokens.size() % run.tokens.size()]);

    KVCache cache(model.config(), tokens.size());
    viz::Table table{{"token n", "with the cache", "without", "ratio, all measured"}, {}};
    for (const std::size_t n : lengths) {
        model.read(slice(tokens, cache.length(), n - 1 - cache.length()), cache);
        const double decode = best_seconds(repetitions, [&] {
            cache.truncate(n - 1);
            model.forward_last({tokens[n - 1]}, cache);
        });
        const double again = best_seconds(repetitions, [&] {
            KVCache empty(model.config(), n);
            model.forward_last(slice(tokens, 0, n), empty);
        });
        table.rows.push_back({std::to_string(n), fmt::format("{:.2f} ms", 1e3 * decode),
                              fmt::format("{:.2f} ms", 1e3 * again), fmt::format("{:.1f}", again / decode)});
    }
    lesson.table(table);
    lesson.notice(
        "The gain in time is usually smaller than the gain in work: many tokens at once share each weight that "
        "was read, one token alone reads all weights for itself.");
}

// --- Memory ----------------------------------------------------------------------------------------------------------

// Of one token, counted in a cache with room for one.
std::size_t cache_numbers(const Config& config) {
    KVCache cache(config, 1);
    std::size_t numbers = 0;
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        numbers += cache.layer(i).keys.size() + cache.layer(i).values.size();
    }
    return numbers;
}

std::size_t parameter_count(const Config& config) {
    std::size_t count = 0;
    for (const gemma::Parameter& parameter : gemma::parameters(config)) {
        count += gemma::element_count(parameter.info.shape);
    }
    return count;
}

void step_memory(Lesson& lesson) {
    lesson.step("The memory of it");
    lesson.formula("numbers a token = 2 · L · K · d          a key and a value for each head of each layer");
    lesson.text("In bfloat16, where nothing else is said:");
    viz::Table table{{"", "L", "K", "d", "a token", "in float32", "context", "all of it", "of the weights"}, {}};
    const auto row = [&](const std::string& name, const Config& config) {
        const std::size_t token = cache_numbers(config), context = config.max_position_embeddings;
        const double share = static_cast<double>(token) * context / static_cast<double>(parameter_count(config));
        table.rows.push_back(
            {name, std::to_string(config.num_hidden_layers), std::to_string(config.num_key_value_heads),
             std::to_string(config.head_dim), grouped(2 * token) + " B", grouped(4 * token) + " B", grouped(context),
             fmt::format("{} MiB", viz::number(2.0 * token * context / 0x1p20)), fmt::format("{:.1f} %", 100 * share)});
    };
    row("this lesson's model", lesson.model().config());
    row("Gemma 2B", gemma::gemma_2b());
    row("Gemma 7B", gemma::gemma_7b());
    lesson.table(table);
    lesson.notice(
        "Memory grows with the text. Gemma 7B's cache of a full context is 3584 MiB, 3.5 GiB, over a fifth of "
        "its weights; 2B has one key/value head and needs 144 MiB. In float32, as here, it is twice that.");
    lesson.check("Gemma 2B: 18,432 B a token", std::fabs(2.0 * cache_numbers(gemma::gemma_2b()) - 18432), 0,
                 "2 · 2 · L · K · d");
    lesson.check("Gemma 7B: 458,752 B a token", std::fabs(2.0 * cache_numbers(gemma::gemma_7b()) - 458752), 0,
                 "2 · 2 · L · K · d");
}

// --- Going back ----------------------------------------------------------------------------------------------------

double distance(const Matrix& right, const Matrix& other) {
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
        difference = std::max(difference, std::fabs(static_cast<double>(right.data()[i]) - other.data()[i]));
        largest = std::max(largest, std::fabs(static_cast<double>(right.data()[i])));
    }
    return difference / largest;
}

void step_truncate(Lesson& lesson, const Run& run) {
    lesson.step("Going back");
    const Model& model = lesson.model();
    const std::size_t T = run.tokens.size(), kept = T / 2;
    lesson.text(
        fmt::format("truncate({}) forgets all but the first {} tokens: it sets a length, and the next token is "
                    "written over what was there. Then the text goes on, as it did or in another way:",
                    kept, kept));
    const std::vector<int> as_before = slice(run.tokens, kept, T);
    const std::vector<int> another(as_before.rbegin(), as_before.rend());
    KVCache cache(model.config(), T);
    model.read(run.tokens, cache);

    viz::Table table{{"after the cut", "likeliest next", "from the beginning", "logits apart"}, {}};
    double worst = 0;
    for (const auto& [name, rest] :
         {std::pair{"the same tokens", as_before}, std::pair{"the same, backwards", another}}) {
        cache.truncate(kept);
        const Matrix cut = model.forward_last(rest, cache);
        std::vector<int> text = slice(run.tokens, 0, kept);
        text.insert(text.end(), rest.begin(), rest.end());
        KVCache empty(model.config(), T);
        const Matrix fresh = model.forward_last(text, empty);
        worst = std::max(worst, distance(fresh, cut));
        table.rows.push_back({name, lesson.tokenizer().piece(likeliest(cut)),
                              lesson.tokenizer().piece(likeliest(fresh)), fmt::format("{:.1e}", distance(fresh, cut))});
    }
    lesson.table(table);
    lesson.notice("So a chat can take back a turn, and several continuations can share one prompt.");
    lesson.check("after truncate: the logits of a fresh cache", worst, 1e-5, "one pass");
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv,
                       {"11_kv_cache", "the KV cache",
                        "Keys and values are kept, a new token costs one row of work, and no number changes.", true},
                       [](Lesson& lesson) {
                           const Run run = run_of(lesson);
                           step_two_phases(lesson, run);
                           step_content(lesson, run);
                           step_same_numbers(lesson, run);
                           step_mask(lesson);
                           step_work(lesson, run);
                           step_time(lesson, run);
                           step_memory(lesson);
                           step_truncate(lesson, run);
                       });
}
