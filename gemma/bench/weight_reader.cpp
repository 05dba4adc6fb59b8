#include "gemma/bench/weight_reader.hpp"

#include "gemma/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

namespace gemma::bench {

namespace {

// A thread reads this much in a row before it takes the next piece: long enough for the CPU to read ahead.
constexpr std::size_t piece_bytes = 1 << 20;

// A cache line as one vector; the compiler takes as many registers of the machine as it needs.
using Line = std::uint64_t __attribute__((vector_size(64)));

// A piece is read as this many runs side by side: a core has more lines on their way from memory then than with one
// run, and linear maps read their weights in the same way.
constexpr std::size_t runs = 4;

[[gnu::always_inline]] inline std::uint64_t sum_of_lines(const std::byte* data, std::size_t bytes) {
    Line sums[runs] = {};
    const std::size_t run = bytes / runs / sizeof(Line) * sizeof(Line);
    for (std::size_t i = 0; i < run; i += sizeof(Line)) {
        for (std::size_t r = 0; r < runs; ++r) {
            Line line;
            std::memcpy(&line, data + r * run + i, sizeof line);
            sums[r] += line;
        }
    }
    const Line sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    std::uint64_t total = 0;
    for (std::size_t lane = 0; lane < 8; ++lane) total += sum[lane];
    for (std::size_t i = runs * run; i < bytes; ++i) total += static_cast<std::uint64_t>(data[i]);
    return total;
}

#if defined(__x86_64__)
[[gnu::target("avx512f")]] std::uint64_t sum_avx512(const std::byte* data, std::size_t bytes) {
    return sum_of_lines(data, bytes);
}
[[gnu::target("avx2")]] std::uint64_t sum_avx2(const std::byte* data, std::size_t bytes) {
    return sum_of_lines(data, bytes);
}
#endif

std::uint64_t sum_of_bytes(const std::byte* data, std::size_t bytes) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return sum_avx512(data, bytes);
    if (__builtin_cpu_supports("avx2")) return sum_avx2(data, bytes);
#endif
    return sum_of_lines(data, bytes);
}

std::vector<WeightMatrix> matrices(const Weights& weights) {
    std::vector<WeightMatrix> all;
    for (const LayerWeights& layer : weights.layers) {
        const AttentionWeights& attention = layer.self_attn;
        const FeedForwardWeights& mlp = layer.mlp;
        all.insert(all.end(), {attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.gate_proj,
                               mlp.up_proj, mlp.down_proj});
    }
    all.push_back(weights.embed_tokens);  // for the logits
    return all;
}

}  // namespace

WeightReader::WeightReader(const Weights& weights) {
    for (const WeightMatrix& matrix : matrices(weights)) {
        const std::size_t size = matrix.rows * matrix.columns * size_of(matrix.dtype);
        for (std::size_t first = 0; first < size; first += piece_bytes) {
            pieces_.push_back({matrix.data + first, std::min(piece_bytes, size - first)});
        }
        bytes_ += size;
    }
}

std::uint64_t WeightReader::read() const {
    std::atomic<std::uint64_t> total{0};
    parallel_for(pieces_.size(), 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) total += sum_of_bytes(pieces_[i].data, pieces_[i].bytes);
    });
    return total;
}

}  // namespace gemma::bench
