// NaN and infinity are counted wherever they stand, in every number format.
#include "gemma/checkpoint/finite.hpp"
#include "gemma/dtype.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace gemma {

TEST_CASE("Numbers that are not finite are counted, and the first is told") {
    const float not_a_number = std::numeric_limits<float>::quiet_NaN();
    const float infinite = std::numeric_limits<float>::infinity();
    const std::size_t count = 200001;  // several pieces, and one more
    for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16}) {
        std::vector<float> numbers(count, 1.5f);
        numbers[7] = 65504;  // float16's largest
        const auto found = [&] {
            std::vector<std::byte> stored(count * size_of(dtype));
            from_float32(numbers.data(), count, dtype, stored.data());
            return not_finite(stored.data(), dtype, count);
        };
        CHECK(found().count == 0);
        numbers[count - 1] = -infinite;
        CHECK(found().count == 1);
        CHECK(found().first == count - 1);
        CHECK(found().value == -infinite);
        numbers[65536] = not_a_number;
        numbers[65535] = infinite;
        CHECK(found().count == 3);
        CHECK(found().first == 65535);
        numbers[0] = not_a_number;
        CHECK(found().count == 4);
        CHECK(found().first == 0);
        CHECK(std::isnan(found().value));
    }
    CHECK(not_finite(nullptr, DType::float32, 0).count == 0);
}

}  // namespace gemma
