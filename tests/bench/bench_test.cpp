// What `gemma bench` counts, makes and measures with, held against closed forms. No time is judged here.
#include "gemma/bench/bench.hpp"

#include "gemma/bench/machine.hpp"
#include "gemma/bench/peak.hpp"
#include "gemma/bench/random_weights.hpp"
#include "gemma/bench/weight_reader.hpp"
#include "gemma/bench/work.hpp"
#include "gemma/error.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

using namespace gemma;
using namespace gemma::bench;

TEST_CASE("bench: the median is the one in the middle, or the mean of two") {
    CHECK(spread_of({3, 1, 2}).median == 2);
    CHECK(spread_of({4, 1, 2, 8}).median == 3);
    CHECK(spread_of({5}).median == 5);
    const Spread spread = spread_of({7, -1, 3});
    CHECK(spread.least == -1);
    CHECK(spread.largest == 7);
    CHECK_THROWS_AS(spread_of({}), Error);
}

// Every product of a forward pass over T tokens, counted one by one from the shapes of the paper's table.
TEST_CASE("bench: the operations of a prompt") {
    const auto by_hand = [](double L, double D, double F, double H, double K, double d, double V, std::size_t T) {
        double count = 2 * V * D;  // the last token's logits
        for (std::size_t t = 1; t <= T; ++t) {
            const double projections = 2 * (D * H * d + 2 * D * K * d + H * d * D);
            const double over_tokens = 2 * (H * d * static_cast<double>(t)) * 2;  // scores, context
            const double mlp = 3 * 2 * D * F;
            count += L * (projections + over_tokens + mlp);
        }
        return count;
    };
    for (const std::size_t T : {1, 2, 512}) {
        CHECK(prefill_operations(gemma_2b(), T) ==
              doctest::Approx(by_hand(18, 2048, 16384, 8, 1, 256, 256000, T)).epsilon(1e-12));
        CHECK(prefill_operations(gemma_7b(), T) ==
              doctest::Approx(by_hand(28, 3072, 24576, 16, 16, 256, 256000, T)).epsilon(1e-12));
    }
}

TEST_CASE("bench: the bytes of weights and cache are those of the published models") {
    CHECK(cache_bytes(gemma_2b(), 1, Precision::bfloat16) == 18432);
    CHECK(cache_bytes(gemma_2b(), 8192, Precision::bfloat16) == std::size_t{144} << 20);
    CHECK(cache_bytes(gemma_7b(), 1, Precision::bfloat16) == 458752);
    CHECK(cache_bytes(gemma_7b(), 1, Precision::float32) == 2 * 458752);
    CHECK(weight_bytes(gemma_2b()) == std::size_t{2} * 2506172416);
    CHECK(weight_bytes(gemma_7b()) == std::size_t{2} * 8537680896);
}

TEST_CASE("bench: random weights have the shapes of the config and the spread of `gemma random`") {
    Config config = tiny_config();
    config.vocab_size = 3000;
    config.hidden_size = 200;  // 600,000 numbers: the block repeats
    const Weights weights = random_weights(config);
    const WeightMatrix& embedding = weights.embed_tokens;
    REQUIRE(embedding.dtype == DType::bfloat16);
    REQUIRE(embedding.rows == 3000);
    REQUIRE(embedding.columns == 200);
    REQUIRE(weights.layers.size() == config.num_hidden_layers);
    CHECK(weights.layers[0].self_attn.q_proj.rows == config.num_attention_heads * config.head_dim);
    CHECK(weights.layers[2].self_attn.k_proj.rows == config.num_key_value_heads * config.head_dim);
    CHECK(weights.layers[1].self_attn.o_proj.columns == config.num_attention_heads * config.head_dim);
    CHECK(weights.layers[1].mlp.down_proj.columns == config.intermediate_size);

    double sum = 0, squares = 0;
    std::set<std::vector<float>> rows;
    std::vector<float> row(200);
    for (std::size_t i = 0; i < embedding.rows; ++i) {
        copy_row(embedding, i, row.data());
        rows.insert(row);
        for (const float number : row) {
            sum += number;
            squares += number * number;
        }
    }
    CHECK(rows.size() == embedding.rows);  // no two alike, though the block repeats
    const double count = 3000 * 200;
    CHECK(std::abs(sum / count) < 5 * std::sqrt(1.0 / 200 / 262139));    // of the block's independent numbers
    CHECK(squares / count == doctest::Approx(1.0 / 200).epsilon(0.02));  // (1/√in)²
}

TEST_CASE("bench: the pure read reads every byte of every matrix") {
    const Config config = tiny_config();
    Weights weights = random_weights(config);
    const WeightReader reader(weights);
    const std::size_t norms = (2 * config.num_hidden_layers + 1) * config.hidden_size * 2;
    CHECK(reader.bytes() == weight_bytes(config) - norms);

    // Another bit anywhere is another sum.
    const std::uint64_t sum = reader.read();
    CHECK(reader.read() == sum);
    const WeightMatrix& last = weights.layers[2].mlp.down_proj;
    const std::size_t bytes = last.rows * last.columns * 2;
    for (const std::size_t i : {std::size_t{0}, bytes / 2, bytes - 1}) {
        auto* const byte = const_cast<std::byte*>(last.data + i);
        *byte ^= std::byte{1};
        CHECK(reader.read() != sum);
        *byte ^= std::byte{1};
    }
}

TEST_CASE("bench: the peaks of this machine are told with their instructions") {
    const Peak wide = float32_peak(0.01);
    CHECK(wide.operations > 1e8);
    CHECK(!wide.instructions.empty());
    if (const std::optional<Peak> narrow = bfloat16_peak(0.01)) CHECK(narrow->operations > 1e8);
}

#if defined(__linux__)
TEST_CASE("bench: memory that is touched shows in the peak") {
    const std::size_t size = 100'000'000;
    reset_peak_memory();
    const std::size_t before = peak_memory();
    {
        // From the system and back to it, which a vector's memory need not be.
        void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        std::memset(memory, 1, size);
        munmap(memory, size);
    }
    CHECK(peak_memory() - before > size / 2);
    reset_peak_memory();
    CHECK(peak_memory() < before + size / 2);

    const std::optional<std::size_t> available = available_memory();
    REQUIRE(available.has_value());
    CHECK(*available > 1'000'000);
    CHECK(!processor_name().empty());
}
#endif

TEST_CASE("bench: the components of a pass fill the cache as the pass does") {
    const Config config = tiny_config();
    const Model model(config, random_weights(config), Precision::bfloat16);
    KVCache cache(config, 20, Precision::bfloat16);
    const ComponentSeconds prefill = time_prefill(model, cache, 12);
    CHECK(cache.length() == 12);
    const ComponentSeconds decode = time_decode(model, cache, 3);
    CHECK(cache.length() == 12);
    for (const ComponentSeconds& seconds : {prefill, decode}) {
        for (const double part : {seconds.attention, seconds.projections, seconds.mlp, seconds.norms, seconds.logits}) {
            CHECK(part > 0);
        }
        CHECK(seconds.sum() == seconds.attention + seconds.mlp + seconds.norms + seconds.logits);
    }
}

TEST_CASE("bench: what cannot be measured is refused") {
    const Config config = tiny_config();  // a context of 64
    const Model model = tiny_model(config, 1);
    CHECK(error_message([&] { run_bench(model, {60, 5, 1}); }).find("at most 64") != std::string::npos);
    CHECK(error_message([&] { run_bench(model, {65, 1, 1}); }).find("at most 64") != std::string::npos);
    CHECK(error_message([&] { run_bench(model, {0, 5, 1}); }).find("prompt tokens") != std::string::npos);
    CHECK(error_message([&] { run_bench(model, {5, 0, 1}); }).find("tokens") != std::string::npos);
    CHECK(error_message([&] { run_bench(model, {5, 5, 0}); }).find("repeats") != std::string::npos);
}
