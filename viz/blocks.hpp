// A heat map as text: coloured blocks on a terminal, shades in a pipe.
#pragma once

#include "viz/chart.hpp"
#include "viz/console.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace viz {

/// The lines of a map, without its title, in about `columns` characters and `rows` lines.
///
/// Where the console has many colours, each number is a block of its colour. Rows with labels have a line each, where
/// they fit; else a line has two rows of numbers, as the upper and lower halves "▀" of its characters. Without colours,
/// numbers from zero up are "░▒▓█", and numbers below zero "⠂⠒⠶⠿"; what is not finite is "·". Neighbours for which
/// there is no room are condensed (viz/numbers.hpp), which the last line says.
std::vector<std::string> text(const HeatMap& map, std::size_t columns, std::size_t rows, const Console& console);

}  // namespace viz
