#include "gemma/cli/bench_report.hpp"

#include "gemma/bench/machine.hpp"
#include "gemma/model/parameters.hpp"
#include "viz/numbers.hpp"
#include "viz/table.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <optional>

namespace gemma {

namespace {

using bench::BenchOptions;
using bench::BenchResult;
using bench::ComponentSeconds;
using bench::MeasuredPeak;
using bench::Spread;
using nlohmann::ordered_json;

std::string in_bytes(std::size_t bytes) { return with_prefix(static_cast<double>(bytes), "B"); }

// Tokens a second: "5.87", "98.1", "10210".
std::string per_second(double tokens) {
    return fmt::format("{:.{}f}", tokens, tokens < 9.995 ? 2 : tokens < 999.5 ? 1 : 0);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string range(const Spread& spread, const char* unit) {
    return with_prefix(spread.least, unit) + " … " + with_prefix(spread.largest, unit);
}

// Tokens a second of so many tokens in a time: the least in the largest time.
Spread rate(double tokens, const Spread& seconds) {
    return {tokens / seconds.median, tokens / seconds.largest, tokens / seconds.least};
}

Spread prefill_rate(const BenchResult& result) {
    return rate(static_cast<double>(result.options.prompt_tokens), result.first_token_seconds);
}

Spread decode_rate(const BenchResult& result) { return rate(1, result.token_seconds); }

std::string medians(const BenchOptions& options) {
    return options.repeats == 1 ? "measured once" : fmt::format("medians of {} repeats", options.repeats);
}

void print(const viz::Table& table) {
    for (const std::string& line : viz::lines(table)) fmt::print("{}\n", line);
    fmt::print("\n");
}

void print_head(const BenchSubject& subject, const BenchResult& result) {
    std::size_t numbers = 0;
    for (const Parameter& parameter : parameters(subject.model.config())) {
        numbers += element_count(parameter.info.shape);
    }
    fmt::print("{}{}: {} parameters, {} in {}\n", subject.name, subject.random_weights ? ", random weights" : "",
               viz::grouped(numbers), in_bytes(result.memory.weights),
               to_string(subject.model.weights().embed_tokens.dtype));
    fmt::print("computed in {} on {}\n", to_string(subject.model.precision()), bench::processor_name());
}

std::vector<std::string> peak_row(const char* name, const char* what, const std::optional<MeasuredPeak>& peak) {
    if (!peak) return {name, "", "", "not available on this CPU"};
    return {name, with_prefix(peak->operations.median, "FLOP/s"), range(peak->operations, "FLOP/s"),
            fmt::format("{} {} on registers", peak->instructions, what)};
}

void print_limits(const BenchResult& result) {
    print({{"limit of the machine", "median", "least … largest", "what"},
           {{"reading", with_prefix(result.read_bytes.median, "B/s"), range(result.read_bytes, "B/s"),
             "all weights, nothing computed"},
            peak_row("float32 arithmetic", "multiply-adds", result.float32_peak),
            peak_row("bfloat16 arithmetic", "dot products", result.bfloat16_peak)}});
}

void print_speed(const BenchResult& result, Precision precision) {
    const auto row = [](const char* name, const Spread& rate, const char* limit, const Spread& share) {
        return std::vector<std::string>{
            name,  per_second(rate.median), per_second(rate.least) + " … " + per_second(rate.largest),
            limit, percent(share.median),   percent(share.least) + " … " + percent(share.largest)};
    };
    print({{"speed", "tokens/s", "least … largest", "limit", "of the limit", "least … largest"},
           {row("prefill", prefill_rate(result),
                result.limited_by_bfloat16(precision) ? "bfloat16 arithmetic" : "float32 arithmetic",
                result.prefill_share),
            row("decode", decode_rate(result), "reading", result.decode_share)}});
    fmt::print("The first token comes after {}, each one after it {} later.\n\n",
               with_prefix(result.first_token_seconds.median, "s"), with_prefix(result.token_seconds.median, "s"));
}

void print_components(const BenchResult& result) {
    const double prefill = result.first_token_seconds.median, decode = result.token_seconds.median;
    viz::Table table{{"component", "prefill", "share", "a token", "share"}, {}};
    const auto row = [&](const char* name, double prefill_seconds, double decode_seconds) {
        table.rows.push_back({name, with_prefix(prefill_seconds, "s"), percent(prefill_seconds / prefill),
                              with_prefix(decode_seconds, "s"), percent(decode_seconds / decode)});
    };
    const ComponentSeconds &p = result.prefill, &d = result.decode;
    row("attention: linear maps", p.projections, d.projections);
    row("attention: over the tokens", p.attention - p.projections, d.attention - d.projections);
    row("MLP", p.mlp, d.mlp);
    row("norms", p.norms, d.norms);
    row("logits", p.logits, d.logits);
    row("rest", prefill - p.sum(), decode - d.sum());
    row("all", prefill, decode);
    print(table);
}

void print_memory(const BenchResult& result) {
    const bench::Memory& memory = result.memory;
    print({{"memory", "bytes", "what"},
           {{"weights", in_bytes(memory.weights), "as they are stored"},
            {"KV cache", in_bytes(memory.cache),
             fmt::format("of {} tokens", result.options.prompt_tokens + result.options.tokens)},
            {"rest", in_bytes(memory.rest()), "activations and the program itself"},
            {"peak", in_bytes(memory.peak), "resident in memory at one time"}}});
}

ordered_json to_json(const Spread& spread) {
    return {{"median", spread.median}, {"least", spread.least}, {"largest", spread.largest}};
}

ordered_json to_json(const MeasuredPeak& peak) {
    return {{"instructions", peak.instructions}, {"operations_per_second", to_json(peak.operations)}};
}

ordered_json to_json(const ComponentSeconds& seconds, double all) {
    return {{"attention", seconds.attention},
            {"attention_linear_maps", seconds.projections},
            {"mlp", seconds.mlp},
            {"norms", seconds.norms},
            {"logits", seconds.logits},
            {"rest", all - seconds.sum()}};
}

ordered_json to_json(const BenchResult& result, Precision precision) {
    const double first_token = result.first_token_seconds.median, token = result.token_seconds.median;
    ordered_json json;
    json["threads"] = result.threads;
    json["prompt_tokens"] = result.options.prompt_tokens;
    json["tokens"] = result.options.tokens;
    json["repeats"] = result.options.repeats;
    json["limits"] = {
        {"read_bytes_per_second", to_json(result.read_bytes)},
        {"float32", to_json(result.float32_peak)},
        {"bfloat16", result.bfloat16_peak ? to_json(*result.bfloat16_peak) : ordered_json()},
    };
    json["prefill"] = {
        {"tokens_per_second", to_json(prefill_rate(result))},
        {"seconds_to_first_token", to_json(result.first_token_seconds)},
        {"operations", result.prefill_operations},
        {"limit", result.limited_by_bfloat16(precision) ? "bfloat16" : "float32"},
        {"share_of_limit", to_json(result.prefill_share)},
        {"component_seconds", to_json(result.prefill, first_token)},
    };
    json["decode"] = {
        {"tokens_per_second", to_json(decode_rate(result))},
        {"seconds_per_token", to_json(result.token_seconds)},
        {"bytes_per_token", result.token_bytes},
        {"limit", "read_bytes_per_second"},
        {"share_of_limit", to_json(result.decode_share)},
        {"component_seconds", to_json(result.decode, token)},
    };
    json["memory_bytes"] = {{"peak", result.memory.peak},
                            {"weights", result.memory.weights},
                            {"kv_cache", result.memory.cache},
                            {"rest", result.memory.rest()}};
    return json;
}

}  // namespace

std::string with_prefix(double value, const char* unit) {
    constexpr const char* prefixes[] = {"n", "µ", "m", "", "k", "M", "G", "T"};
    int prefix = 3;
    for (; std::abs(value) >= 999.5 && prefix < 7; ++prefix) value /= 1000;
    for (; value != 0 && std::abs(value) < 0.9995 && prefix > 0; --prefix) value *= 1000;
    const int decimals = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}{}", value, decimals, prefixes[prefix], unit);
}

std::string counted(std::size_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

void print_bench(const BenchSubject& subject, const BenchResult& result) {
    print_head(subject, result);
    fmt::print("{}, a prompt of {}, then {}; {}\n\n", counted(result.threads, "thread"),
               counted(result.options.prompt_tokens, "token"), counted(result.options.tokens, "token"),
               medians(result.options));
    print_limits(result);
    print_speed(result, subject.model.precision());
    print_components(result);
    print_memory(result);
}

void print_bench_growth(const BenchSubject& subject, const std::vector<BenchResult>& results) {
    print_head(subject, results.front());
    const BenchOptions& options = results.front().options;
    fmt::print("{} decoded after each prompt; {}\n\n", counted(options.tokens, "token"), medians(options));
    viz::Table table{{"threads", "prompt", "first token", "prefill/s", "a token", "of peak", "attention", "decode/s",
                      "a token", "of read", "attention", "KV cache", "rest"},
                     {}};
    const double first_prefill = results.front().prefill_tokens_per_second();
    const double first_decode = results.front().decode_tokens_per_second();
    for (const BenchResult& result : results) {
        const auto over_tokens = [](const ComponentSeconds& part, double all) {
            return percent((part.attention - part.projections) / all);
        };
        table.rows.push_back(
            {fmt::format("{}", result.threads), fmt::format("{}", result.options.prompt_tokens),
             with_prefix(result.first_token_seconds.median, "s"), per_second(result.prefill_tokens_per_second()),
             fmt::format("× {:.2f}", first_prefill / result.prefill_tokens_per_second()),
             percent(result.prefill_share.median), over_tokens(result.prefill, result.first_token_seconds.median),
             per_second(result.decode_tokens_per_second()),
             fmt::format("× {:.2f}", first_decode / result.decode_tokens_per_second()),
             percent(result.decode_share.median), over_tokens(result.decode, result.token_seconds.median),
             in_bytes(result.memory.cache), in_bytes(result.memory.rest())});
    }
    print(table);
    fmt::print(
        "\"a token\": its time, as a multiple of the first line's. \"attention\": the share of its work over the "
        "tokens\n"
        "so far, without its linear maps. \"rest\": memory beyond the weights and the KV cache.\n");
}

void print_bench_json(const BenchSubject& subject, const std::vector<BenchResult>& results) {
    const Precision precision = subject.model.precision();
    ordered_json json;
    json["model"] = subject.name;
    json["random_weights"] = subject.random_weights;
    json["dtype"] = to_string(subject.model.weights().embed_tokens.dtype);
    json["precision"] = to_string(precision);
    json["processor"] = bench::processor_name();
    for (const BenchResult& result : results) json["runs"].push_back(to_json(result, precision));
    fmt::print("{}\n", json.dump(2));
}

}  // namespace gemma
