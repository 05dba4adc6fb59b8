// A row of numbers in a line of text: ▂▁▄▇█▅.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace viz {

/// The least number is the lowest block, the largest the highest; what is no number is a space. More numbers than
/// `width` are condensed (viz/numbers.hpp).
std::string sparkline(const std::vector<double>& numbers, std::size_t width);

}  // namespace viz
