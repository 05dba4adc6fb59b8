#include "gemma/linear/few_rows.hpp"

#include "gemma/linear/scratch.hpp"
#include "gemma/parallel.hpp"

#include <algorithm>

namespace gemma {

namespace {

// The weights of a piece: long enough for four runs, short enough that threads end together.
constexpr std::size_t piece_bytes = 1 << 19;
constexpr std::size_t most_rows_of_piece = 256;

// Numbers of a row that are multiplied before the next row: so much of x stays in the second-level cache, from which
// each row takes it again. Shorter chunks, for which the first-level cache is enough, cut rows into more runs of bytes,
// and that costs more.
constexpr std::size_t chunk = 16384;

std::size_t rows_of_piece(const WeightMatrix& weight) {
    const std::size_t row_bytes = std::max<std::size_t>(1, weight.columns * size_of(weight.dtype));
    return std::clamp<std::size_t>(piece_bytes / row_bytes, 1, most_rows_of_piece);
}

// Rows of x as a kernel reads them, one after another.
struct Prepared {
    const float* numbers = nullptr;         // for bfloat16 weights each chunk is split into its even and its odd half
    const std::uint16_t* halves = nullptr;  // bfloat16, where the kernel multiplies pairs of them
};

Prepared from(const Prepared& x, std::size_t k) {
    return x.halves != nullptr ? Prepared{nullptr, x.halves + k} : Prepared{x.numbers + k, nullptr};
}

struct PreparedScratch {
    Scratch<float> numbers{};
    Scratch<std::uint16_t> halves{};
};

// The numbers 0, 2, 4, …, then 1, 3, 5, …
float* split(const float* source, std::size_t count, float* target) {
    for (std::size_t i = 0; i < count; i += 2) *target++ = source[i];
    for (std::size_t i = 1; i < count; i += 2) *target++ = source[i];
    return target;
}

Prepared prepare(const Kernels& kernels, ConstMatrixView x, DType dtype, Precision precision,
                 PreparedScratch& scratch) {
    if (dtype == DType::bfloat16 && precision == Precision::bfloat16 && kernels.dot_pairs != nullptr) {
        std::uint16_t* halves = scratch.halves.get(x.rows * x.columns);
        for (std::size_t t = 0; t < x.rows; ++t) {
            from_float32(x.data + t * x.stride, x.columns, DType::bfloat16,
                         reinterpret_cast<std::byte*>(halves + t * x.columns));
        }
        return {nullptr, halves};
    }
    float* numbers = scratch.numbers.get(x.rows * x.columns);
    float* target = numbers;
    for (std::size_t t = 0; t < x.rows; ++t) {
        const float* source = x.data + t * x.stride;
        for (std::size_t k = 0; k < x.columns; k += chunk) {
            const std::size_t count = std::min(chunk, x.columns - k);
            target =
                dtype == DType::bfloat16 ? split(source + k, count, target) : std::copy_n(source + k, count, target);
        }
    }
    return {numbers, nullptr};
}

// y[t] = `count` stored numbers times those of each row of x; the rows of x are `stride` apart.
void dot(const Kernels& kernels, DType dtype, const std::byte* stored, std::size_t count, const Prepared& x,
         std::size_t stride, std::size_t rows, float* y) {
    const auto* halves = reinterpret_cast<const std::uint16_t*>(stored);
    const auto* wide = reinterpret_cast<const float*>(stored);
    float widened[chunk];
    if (dtype == DType::float16) {
        kernels.widen_float16(halves, count, widened);
        wide = widened;
    }
    for (std::size_t t = 0; t < rows; t += kernels.dot_rows) {
        const std::size_t together = std::min(kernels.dot_rows, rows - t), first = t * stride;
        if (x.halves != nullptr) {
            kernels.dot_pairs(halves, count, x.halves + first, stride, together, y + t);
        } else if (dtype == DType::bfloat16) {
            kernels.dot_bfloat16(halves, count, x.numbers + first, stride, together, y + t);
        } else {
            kernels.dot_float32(wide, count, x.numbers + first, stride, together, y + t);
        }
    }
}

const std::byte* number(const WeightMatrix& weight, std::size_t row, std::size_t k) {
    return weight.data + (row * weight.columns + k) * size_of(weight.dtype);
}

// Of dot_rows rows of weights, `run` apart, each times the one row of x.
void dots_side_by_side(const Kernels& kernels, const WeightMatrix& weight, std::size_t row, std::size_t run,
                       std::size_t k, std::size_t count, const Prepared& x, float* y) {
    const std::byte* stored = number(weight, row, k);
    const auto* halves = reinterpret_cast<const std::uint16_t*>(stored);
    const std::size_t stride = run * weight.columns;
    if (x.halves != nullptr) {
        kernels.side_by_side_pairs(halves, stride, count, x.halves, y);
    } else if (weight.dtype == DType::bfloat16) {
        kernels.side_by_side_bfloat16(halves, stride, count, x.numbers, y);
    } else {
        kernels.side_by_side_float32(reinterpret_cast<const float*>(stored), stride, count, x.numbers, y);
    }
}

// The products of weight rows first … last - 1 with T rows of x: [T, most_rows_of_piece].
struct Products {
    float numbers[few][most_rows_of_piece];

    void compute(const Kernels& kernels, const WeightMatrix& weight, std::size_t first, std::size_t last,
                 const Prepared& x, std::size_t T, Precision precision) {
        const std::size_t K = weight.columns;
        // With one row of x the piece is read as dot_rows runs side by side; rows that are left over follow alone.
        const std::size_t run = T == 1 && weight.dtype != DType::float16 ? (last - first) / kernels.dot_rows : 0;
        for (std::size_t t = 0; t < T; ++t) std::fill_n(numbers[t], last - first, 0.0f);
        for (std::size_t k = 0; k < K; k += chunk) {
            const std::size_t count = std::min(chunk, K - k);
            float y[few];
            for (std::size_t i = 0; i < run; ++i) {
                dots_side_by_side(kernels, weight, first + i, run, k, count, from(x, k), y);
                for (std::size_t s = 0; s < kernels.dot_rows; ++s) numbers[0][i + s * run] += y[s];
            }
            for (std::size_t row = first + run * kernels.dot_rows; row < last; ++row) {
                dot(kernels, weight.dtype, number(weight, row, k), count, from(x, k), K, T, y);
                for (std::size_t t = 0; t < T; ++t) numbers[t][row - first] += y[t];
            }
        }
        for (std::size_t t = 0; t < T; ++t) round_to(precision, numbers[t], last - first);
    }

    void write(MatrixView y, std::size_t first, std::size_t last) const {
        for (std::size_t t = 0; t < y.rows; ++t) std::copy_n(numbers[t], last - first, y.data + t * y.stride + first);
    }
};

}  // namespace

void few_rows(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& weight, MatrixView y,
              Precision precision) {
    thread_local PreparedScratch scratch;
    const Prepared prepared = prepare(kernels, x, weight.dtype, precision, scratch);
    parallel_for(weight.rows, rows_of_piece(weight), [&](std::size_t first, std::size_t last) {
        Products products;
        products.compute(kernels, weight, first, last, prepared, x.rows, precision);
        products.write(y, first, last);
    });
}

void few_rows_pair(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& a, const WeightMatrix& b,
                   const Combine& combine, MatrixView y, Precision precision) {
    thread_local PreparedScratch a_scratch, b_scratch;
    const Prepared for_a = prepare(kernels, x, a.dtype, precision, a_scratch);
    const Prepared for_b = b.dtype == a.dtype ? for_a : prepare(kernels, x, b.dtype, precision, b_scratch);
    parallel_for(a.rows, rows_of_piece(a), [&](std::size_t first, std::size_t last) {
        Products products, others;
        products.compute(kernels, a, first, last, for_a, x.rows, precision);
        others.compute(kernels, b, first, last, for_b, x.rows, precision);
        for (std::size_t t = 0; t < x.rows; ++t) combine(products.numbers[t], others.numbers[t], last - first);
        products.write(y, first, last);
    });
}

}  // namespace gemma
