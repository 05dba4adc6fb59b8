// A model's speed beside what the machine could do at most, both measured in the same run.
//
//   prefill   reading a prompt of many tokens: each weight meets all of them, so arithmetic is the limit (peak.hpp)
//   decode    one token after the other: each weight is read for one token, so memory is the limit (weight_reader.hpp)
//
// A repeat measures the peak, prefill, the peak again, then decoding, with a pure read of the weights before every
// token, then the components. So what else runs on the machine disturbs the model and the limits that it is held
// against alike. What is timed is generate(), which `gemma generate` calls too.
#pragma once

#include "gemma/bench/components.hpp"
#include "gemma/bench/statistics.hpp"
#include "gemma/model/model.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace gemma::bench {

struct BenchOptions {
    std::size_t prompt_tokens = 512;
    std::size_t tokens = 64;  // decoded after the prompt
    std::size_t repeats = 3;
};

/// Operations a second that a kind of instruction reached.
struct MeasuredPeak {
    std::string instructions;
    Spread operations;
};

/// How much of the peak memory is what.
struct Memory {
    std::size_t peak = 0;
    std::size_t weights = 0;
    std::size_t cache = 0;  // keys and values of the prompt's and the decoded tokens
    std::size_t rest() const { return peak > weights + cache ? peak - weights - cache : 0; }
};

/// Medians and spreads are over the repeats.
struct BenchResult {
    std::size_t threads;
    BenchOptions options;

    // The limits, per second.
    Spread read_bytes;  // of the weights, with nothing computed
    MeasuredPeak float32_peak;
    std::optional<MeasuredPeak> bfloat16_peak;  // none where the CPU has no such instructions

    // Prefill, up to the first token. Its limit is the bfloat16 peak in bfloat16 precision where there is one, else
    // float32's.
    Spread first_token_seconds;
    double prefill_operations;
    Spread prefill_share;  // of the limit
    ComponentSeconds prefill;

    // Decode, per token.
    Spread token_seconds;
    double token_bytes;  // all weights, and the cache at half of the tokens
    Spread decode_share;
    ComponentSeconds decode;

    Memory memory;

    bool limited_by_bfloat16(Precision precision) const {
        return precision == Precision::bfloat16 && bfloat16_peak.has_value();
    }
    double prefill_tokens_per_second() const {
        return static_cast<double>(options.prompt_tokens) / first_token_seconds.median;
    }
    double decode_tokens_per_second() const { return 1 / token_seconds.median; }
};

/// Called as the work goes on with what is done now: "repeat 2 of 3: token 17 of 64".
using BenchProgress = std::function<void(const std::string& what)>;

/// Throws an Error when prompt and tokens together are over the context of a model with this config, or one of the
/// options is 0.
void check_options(const BenchOptions& options, const Config& config);

/// Measures with the threads that there are (gemma::threads()). Throws what check_options throws.
BenchResult run_bench(const Model& model, const BenchOptions& options, const BenchProgress& progress = {});

}  // namespace gemma::bench
