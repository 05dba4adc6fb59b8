// What the pictures of a HeatMap have in common, as SVG and as text.
#pragma once

#include "viz/chart.hpp"
#include "viz/colour_scale.hpp"

#include <cstddef>
#include <string>

namespace viz {

/// The colours of its numbers. Throws an Error for a map without a finite number, for rows of different lengths, and
/// for labels that are not as many as the rows or columns.
ColourScale colours_of(const HeatMap& map);

std::string row_label(const HeatMap& map, std::size_t row);
std::string column_label(const HeatMap& map, std::size_t column);

}  // namespace viz
