#include "gemma/bench/bench.hpp"

#include "gemma/bench/clock.hpp"
#include "gemma/bench/machine.hpp"
#include "gemma/bench/peak.hpp"
#include "gemma/bench/weight_reader.hpp"
#include "gemma/bench/work.hpp"
#include "gemma/error.hpp"
#include "gemma/parallel.hpp"
#include "gemma/text/generate.hpp"

#include <algorithm>
#include <vector>

namespace gemma::bench {

namespace {

constexpr double peak_seconds = 0.1;
constexpr std::size_t component_passes = 8;  // decoding, in each repeat
constexpr std::size_t warm_up_tokens = 32;   // of the prompt

// What each of the repeats measured.
struct Measurements {
    std::vector<double> read_bytes, float32_peak, bfloat16_peak, first_token_seconds, prefill_share, token_seconds,
        decode_share;
    std::vector<ComponentSeconds> prefill, decode;
};

// Any tokens do, from all over the vocabulary.
std::vector<int> prompt_of(std::size_t tokens, std::size_t vocabulary) {
    std::vector<int> prompt(tokens);
    for (std::size_t i = 0; i < tokens; ++i) prompt[i] = static_cast<int>((1 + i * 7919) % vocabulary);
    return prompt;
}

ComponentSeconds median_of(const std::vector<ComponentSeconds>& repeats) {
    const auto median = [&](double ComponentSeconds::*part) {
        std::vector<double> seconds;
        for (const ComponentSeconds& repeat : repeats) seconds.push_back(repeat.*part);
        return spread_of(seconds).median;
    };
    return {median(&ComponentSeconds::attention), median(&ComponentSeconds::projections),
            median(&ComponentSeconds::mlp), median(&ComponentSeconds::norms), median(&ComponentSeconds::logits)};
}

class Bench {
public:
    Bench(const Model& model, const BenchOptions& options, const BenchProgress& progress)
        : model_(model),
          options_(options),
          progress_(progress),
          reader_(model.weights()),
          prompt_(prompt_of(options.prompt_tokens, model.config().vocab_size)),
          cache_(model.config(), options.prompt_tokens + options.tokens, model.precision()) {}

    BenchResult run() {
        warm_up();
        reset_peak_memory();
        for (std::size_t repeat = 0; repeat < options_.repeats; ++repeat) {
            const std::string of = fmt::format("repeat {} of {}: ", repeat + 1, options_.repeats);
            time_generation(of);
            if (repeat == 0) peak_memory_ = peak_memory();
            tell(of + "components");
            measured_.prefill.push_back(time_prefill(model_, cache_, options_.prompt_tokens));
            measured_.decode.push_back(time_decode(model_, cache_, component_passes));
        }
        return result();
    }

private:
    void tell(const std::string& what) const {
        if (progress_) progress_(what);
    }

    // Brings the weights into memory, where they are mapped from a file, and the threads to work.
    void warm_up() {
        tell("reading the weights");
        reader_.read();
        tell("warming up");
        Sampler greedy({});
        const std::size_t tokens = std::min(warm_up_tokens, prompt_.size());
        generate(model_, cache_, {prompt_.begin(), prompt_.begin() + static_cast<std::ptrdiff_t>(tokens)}, greedy,
                 {1, {}});
    }

    // Operations a second that limit this model's prefill; notes both kinds.
    double measure_peak() {
        const Peak wide = gemma::bench::float32_peak(peak_seconds);
        float32_instructions_ = wide.instructions;
        measured_.float32_peak.push_back(wide.operations);
        const std::optional<Peak> narrow = gemma::bench::bfloat16_peak(peak_seconds);
        if (!narrow) return wide.operations;
        bfloat16_instructions_ = narrow->instructions;
        measured_.bfloat16_peak.push_back(narrow->operations);
        return model_.precision() == Precision::bfloat16 ? narrow->operations : wide.operations;
    }

    // Prefill and decoding as generate() does them. Between two tokens its clock stands still, and the weights are
    // read.
    void time_generation(const std::string& of) {
        tell(of + "prompt");
        cache_.truncate(0);
        const double peak_before = measure_peak();
        double peak_after = 0, first_token = 0, decoding = 0, reading = 0;
        std::size_t tokens = 0;
        Sampler greedy({});
        Clock clock;
        const auto on_token = [&](int) {
            const double seconds = clock.seconds();
            if (tokens == 0) {
                first_token = seconds;
                peak_after = measure_peak();
            } else {
                decoding += seconds;
            }
            ++tokens;
            tell(fmt::format("{}token {} of {}", of, tokens, options_.tokens));
            const Clock read_clock;
            reader_.read();
            reading += read_clock.seconds();
            clock.restart();
            return true;
        };
        clock.restart();
        generate(model_, cache_, prompt_, greedy, {options_.tokens, {}}, on_token);
        decoding += clock.seconds();  // of the last token: it too goes through the model

        const double count = static_cast<double>(options_.tokens);
        const double read_rate = count * static_cast<double>(reader_.bytes()) / reading;
        const double token_seconds = decoding / count;
        measured_.first_token_seconds.push_back(first_token);
        measured_.prefill_share.push_back(operations() / first_token / ((peak_before + peak_after) / 2));
        measured_.token_seconds.push_back(token_seconds);
        measured_.read_bytes.push_back(read_rate);
        measured_.decode_share.push_back(token_bytes() / token_seconds / read_rate);
    }

    double operations() const { return prefill_operations(model_.config(), options_.prompt_tokens); }

    double token_bytes() const {
        const std::size_t seen = options_.prompt_tokens + options_.tokens / 2;
        return static_cast<double>(reader_.bytes() + cache_bytes(model_.config(), seen, model_.precision()));
    }

    BenchResult result() const {
        BenchResult result;
        result.threads = threads();
        result.options = options_;
        result.read_bytes = spread_of(measured_.read_bytes);
        result.float32_peak = {float32_instructions_, spread_of(measured_.float32_peak)};
        if (!measured_.bfloat16_peak.empty()) {
            result.bfloat16_peak = {bfloat16_instructions_, spread_of(measured_.bfloat16_peak)};
        }
        result.first_token_seconds = spread_of(measured_.first_token_seconds);
        result.prefill_operations = operations();
        result.prefill_share = spread_of(measured_.prefill_share);
        result.prefill = median_of(measured_.prefill);
        result.token_seconds = spread_of(measured_.token_seconds);
        result.token_bytes = token_bytes();
        result.decode_share = spread_of(measured_.decode_share);
        result.decode = median_of(measured_.decode);
        result.memory = {peak_memory_, reader_.bytes(),
                         cache_bytes(model_.config(), cache_.capacity(), model_.precision())};
        return result;
    }

    const Model& model_;
    const BenchOptions& options_;
    const BenchProgress& progress_;
    const WeightReader reader_;
    const std::vector<int> prompt_;
    KVCache cache_;
    Measurements measured_;
    std::string float32_instructions_, bfloat16_instructions_;
    std::size_t peak_memory_ = 0;
};

void require_positive(const char* option, std::size_t value) {
    if (value == 0) fail("{}: found 0, expected 1 or more", option);
}

}  // namespace

void check_options(const BenchOptions& options, const Config& config) {
    require_positive("prompt tokens", options.prompt_tokens);
    require_positive("tokens", options.tokens);
    require_positive("repeats", options.repeats);
    const std::size_t context = config.max_position_embeddings;
    if (options.prompt_tokens > context || options.tokens > context - options.prompt_tokens) {
        fail("{} tokens after a prompt of {} are over the model's context, expected at most {} in all", options.tokens,
             options.prompt_tokens, context);
    }
}

BenchResult run_bench(const Model& model, const BenchOptions& options, const BenchProgress& progress) {
    check_options(options, model.config());
    return Bench(model, options, progress).run();
}

}  // namespace gemma::bench
