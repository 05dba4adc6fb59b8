// What several measurements of the same thing say: the one in the middle, and how far they spread.
#pragma once

#include <vector>

namespace gemma::bench {

struct Spread {
    double median = 0;
    double least = 0;
    double largest = 0;
};

/// The median is the mean of the two in the middle where the count is even. Throws an Error when there are none.
Spread spread_of(std::vector<double> measurements);

}  // namespace gemma::bench
