// Charts as text: curves in braille dots, bars in blocks.
#pragma once

#include "viz/chart.hpp"
#include "viz/console.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace viz {

/// The lines of a chart, without its title, in at most `columns` characters and `rows` lines (but at least 24 and 8).
/// Several series are told apart by the letters that stand on them here and there, and by colour where there is one.
/// Throws the Errors of svg.
std::vector<std::string> text(const Chart& chart, std::size_t columns, std::size_t rows, const Console& console);

/// A line for each bar: its label, the bar, its number.
std::vector<std::string> text(const BarChart& chart, std::size_t columns, const Console& console);

}  // namespace viz
