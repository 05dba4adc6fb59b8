// Numbers as people read them: few digits, the same text on every machine.
#pragma once

#include "viz/chart.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace viz {

/// A number with at most `digits` significant digits and no zeros behind them: "0.25", "1200", "3e-08", "nan".
std::string number(double value, int digits = 4);

/// A number with commas between its thousands, "2,506,172,416"; a fraction stays as it is.
std::string grouped(std::string number);
std::string grouped(std::size_t number);

/// The range of the finite numbers among some. `any` is false where there is none.
struct Range {
    double least = 0;
    double largest = 0;
    bool any = false;

    void add(double value);
};

/// What a tensor's numbers are on the whole: the range of the finite ones, the mean of all.
struct Summary {
    Range range;
    double mean = 0;
};
Summary summary_of(const std::vector<float>& numbers);

/// How many neighbours must share a place so that `size` numbers fit in `count` places: 1 where all fit.
std::size_t group_size(std::size_t size, std::size_t count);

/// At most `count` numbers: of each group of neighbours the one that is furthest from zero.
std::vector<double> condensed(const std::vector<double>& numbers, std::size_t count);

/// The same for the numbers of a matrix, in at most so many rows and columns.
std::vector<std::vector<double>> condensed(const std::vector<std::vector<double>>& rows, std::size_t row_count,
                                           std::size_t column_count);

/// The numbers of a map as lines of text, in columns with the same number of decimals, with the labels of its rows and
/// columns. What does not fit in `columns` characters and `rows` lines is left out in the middle, where "…" stands.
std::vector<std::string> number_lines(const HeatMap& map, std::size_t columns, std::size_t rows);

}  // namespace viz
