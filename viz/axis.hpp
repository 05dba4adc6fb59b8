// Scales: where a number stands between the two ends of an axis, and the round numbers that are written along it.
#pragma once

#include "viz/chart.hpp"
#include "viz/numbers.hpp"

#include <string>
#include <vector>

namespace viz {

struct Scale {
    double from = 0;
    double to = 1;
    bool logarithmic = false;
    bool whole = false;  // its numbers are whole: no tick stands between two of them

    /// 0 at `from`, 1 at `to`, and beyond them outside. Only for what can be shown.
    double place(double value) const;

    /// Whether the number has a place: it is finite, and above zero where the scale is logarithmic.
    bool can_show(double value) const;

    /// Whether the place is between the ends.
    bool holds(double value) const;
};

/// Where an axis' ends are when it does not say: at the least and largest number, or at round ones around them.
enum class Ends { tight, round };

/// The scale of an axis for numbers in that range. `name` begins the Error that is thrown for an axis whose ends are in
/// the wrong order, not finite, or not above zero where it is logarithmic.
Scale scale_of(const Axis& axis, const Range& range, Ends ends, const std::string& name);

/// Both scales of a chart: x as tight as its lines, y at round ends. Throws an Error for a chart that has no number to
/// show, and for a series with more x than y or the other way round.
struct Scales {
    Scale x, y;
};
Scales scales(const Chart& chart);

/// What a chart cannot show on its logarithmic axes, in words: "2 numbers not above zero are left out"; or nothing.
std::string left_out(const Chart& chart, const Scales& scales);

/// The scale of a bar chart, and the place where its bars begin: zero, or the left end where it is logarithmic. Throws
/// an Error for a chart that has no number to show.
Scale bar_scale(const BarChart& chart);
double bar_begin(const Scale& scale);

struct Tick {
    double value;
    std::string text;
};

/// Round numbers between the ends: about `most` of them at the most, at least two. Linear: multiples of 1, 2 or 5 times
/// a power of ten. Logarithmic: powers of ten, with 2 and 5 times them where there is room.
std::vector<Tick> ticks(const Scale& scale, std::size_t most);

}  // namespace viz
