#include "gemma/checkpoint/finite.hpp"

#include "gemma/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gemma {

namespace {

constexpr std::size_t piece = 1 << 16;  // numbers that a thread converts and looks at in one go

NotFinite not_finite_in(const float* numbers, std::size_t first, std::size_t count) {
    NotFinite result;
    for (std::size_t i = 0; i < count; ++i) {
        if (std::isfinite(numbers[i])) continue;
        if (result.count++ == 0) result.first = first + i, result.value = numbers[i];
    }
    return result;
}

}  // namespace

NotFinite not_finite(const std::byte* data, DType dtype, std::size_t count) {
    if (dtype == DType::int64) return {};
    std::vector<NotFinite> found((count + piece - 1) / piece);
    parallel_for(count, piece, [&](std::size_t first, std::size_t last) {
        std::vector<float> numbers(last - first);
        to_float32(data + first * size_of(dtype), dtype, numbers.size(), numbers.data());
        found[first / piece] = not_finite_in(numbers.data(), first, numbers.size());
    });
    NotFinite all;
    for (const NotFinite& part : found) {
        if (all.count == 0) all = {0, part.first, part.value};
        all.count += part.count;
    }
    return all;
}

}  // namespace gemma
