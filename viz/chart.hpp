// Pictures of functions and numbers: curves, points, bars and heat maps, as SVG with axes and labels.
//
//   viz::Chart chart{"GELU opens smoothly", {"x"}, {"y"}, {viz::curve("gelu", -4, 4, [](double x) { return ...; })}};
//   std::string picture = viz::svg(chart);
//
// The pictures have no fixed size or colours of their own: they fit their place and follow a light or dark page, and as
// files they open in any browser. Each has a title for those who hear it, and says its numbers in plain text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viz {

enum class Mark { line, dashes, points };

/// Points (x_i, y_i), joined or not. y is NaN where there is none.
struct Series {
    std::string label;
    std::vector<double> x;
    std::vector<double> y;
    Mark mark = Mark::line;
};

/// A function at `count` evenly spaced places from `from` to `to`.
Series curve(std::string label, double from, double to, const std::function<double(double)>& function,
             std::size_t count = 201);

struct Axis {
    std::string label;
    bool logarithmic = false;
    std::optional<double> from = {};  // none: what the numbers need
    std::optional<double> to = {};
};

/// Curves and points over two axes.
struct Chart {
    std::string title;
    Axis x;
    Axis y;
    std::vector<Series> series;
};

struct Bar {
    std::string label;
    double value;
};

/// Horizontal bars, first on top.
struct BarChart {
    std::string title;
    Axis value;
    std::vector<Bar> bars;
};

/// Numbers in rows and columns as colours: blue below zero, orange above it, or one colour where none is negative.
struct HeatMap {
    std::string title;
    std::string row_axis;     // what the rows are
    std::string column_axis;  // what the columns are
    std::vector<std::vector<double>> rows;
    std::vector<std::string> row_labels = {};     // none: numbers
    std::vector<std::string> column_labels = {};  // none: numbers
};

/// The picture as one <svg> element. Throws an Error for a chart without a number, and for rows or labels that do not
/// fit each other.
std::string svg(const Chart& chart);
std::string svg(const BarChart& chart);
std::string svg(const HeatMap& map);

}  // namespace viz
