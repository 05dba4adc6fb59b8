#include "gemma/bench/statistics.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <cstddef>

namespace gemma::bench {

Spread spread_of(std::vector<double> measurements) {
    if (measurements.empty()) fail("there are no measurements, expected at least one");
    std::sort(measurements.begin(), measurements.end());
    const std::size_t count = measurements.size();
    const double median = (measurements[(count - 1) / 2] + measurements[count / 2]) / 2;
    return {median, measurements.front(), measurements.back()};
}

}  // namespace gemma::bench
