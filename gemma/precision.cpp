#include "gemma/precision.hpp"

#include "gemma/dtype.hpp"
#include "gemma/elementwise.hpp"

namespace gemma {

namespace {

GEMMA_WIDEST_VECTORS void round_to_bfloat16(float* numbers, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) numbers[i] = bfloat16_to_float(float_to_bfloat16(numbers[i]));
}

}  // namespace

std::string_view to_string(Precision precision) { return precision == Precision::float32 ? "float32" : "bfloat16"; }

void round_to(Precision precision, float* numbers, std::size_t count) {
    if (precision == Precision::bfloat16) round_to_bfloat16(numbers, count);
}

}  // namespace gemma
