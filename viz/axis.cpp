#include "viz/axis.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <cmath>

namespace viz {

namespace {

constexpr double slack = 1e-9;  // of a step: what rounding may have taken from a multiple of it

// The smallest of 1, 2 and 5 times a power of ten that is `step` or more.
double round_step(double step) {
    const double power = std::pow(10.0, std::floor(std::log10(step)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * power >= step * (1 - slack)) return factor * power;
    }
    return 10 * power;
}

double step_of(double span, std::size_t most) { return round_step(span / static_cast<double>(most)); }

// 1, 2 or 5 times a power of ten, at or below (above) the value.
double round_down(double value) {
    const double power = std::pow(10.0, std::floor(std::log10(value) + slack));
    for (const double factor : {5.0, 2.0}) {
        if (factor * power <= value * (1 + slack)) return factor * power;
    }
    return power;
}

double round_up(double value) {
    const double below = round_down(value);
    return below >= value * (1 - slack) ? below : round_step(value);
}

std::string superscript(int exponent) {
    static constexpr const char* digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    std::string text;
    for (const char c : std::to_string(exponent)) text += c == '-' ? "⁻" : digits[c - '0'];
    return text;
}

// All texts of an axis are of one kind: plain numbers, or a number times the same power of ten.
std::vector<Tick> linear_ticks(const Scale& scale, std::size_t most) {
    const double step = std::max(step_of(scale.to - scale.from, most), scale.whole ? 1.0 : 0.0);
    const double first = std::ceil(scale.from / step - slack), last = std::floor(scale.to / step + slack);
    const double largest = std::max(std::abs(first), std::abs(last)) * step;
    const int digit = static_cast<int>(std::floor(std::log10(step) + slack));  // the last one that counts
    const int exponent = static_cast<int>(std::floor(std::log10(largest) + slack));
    const bool plain = exponent < 6 && digit >= -4;

    std::vector<Tick> ticks;
    for (double i = first; i <= last; ++i) {
        const double value = i == 0 ? 0 : i * step;
        if (plain) {
            ticks.push_back({value, grouped(fmt::format("{:.{}f}", value, std::max(0, -digit)))});
        } else if (value == 0) {
            ticks.push_back({value, "0"});
        } else {
            const double shown = value / std::pow(10.0, exponent);
            ticks.push_back({value, fmt::format("{:.{}f}·10{}", shown, exponent - digit, superscript(exponent))});
        }
    }
    return ticks;
}

std::string power_text(double value, bool plain) {
    if (plain) return grouped(number(value, 7));
    const int exponent = static_cast<int>(std::floor(std::log10(value) + slack));
    const double factor = std::round(value / std::pow(10.0, exponent));
    return (factor == 1 ? "" : number(factor) + "·") + "10" + superscript(exponent);
}

void require_ends(const Axis& axis, const std::string& name) {
    for (const std::optional<double>& end : {axis.from, axis.to}) {
        if (end && !std::isfinite(*end)) gemma::fail("{}: an axis ends at {}, expected a finite number", name, *end);
        if (end && axis.logarithmic && *end <= 0) {
            gemma::fail("{}: a logarithmic axis ends at {}, expected a number above zero", name, *end);
        }
    }
    if (axis.from && axis.to && *axis.from >= *axis.to) {
        gemma::fail("{}: an axis from {} to {}, expected the smaller end first", name, *axis.from, *axis.to);
    }
}

std::vector<Tick> logarithmic_ticks(const Scale& scale, std::size_t most) {
    const int first = static_cast<int>(std::floor(std::log10(scale.from) + slack));
    const int last = static_cast<int>(std::ceil(std::log10(scale.to) - slack));
    const int every = static_cast<int>(std::ceil(static_cast<double>(last - first) / static_cast<double>(most)));
    const bool with_parts = 3 * static_cast<std::size_t>(last - first) <= most + 1;

    std::vector<double> values;
    for (int exponent = first; exponent <= last; ++exponent) {
        if (exponent % std::max(every, 1) != 0) continue;
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double value = factor * std::pow(10.0, exponent);
            const bool inside = value >= scale.from * (1 - slack) && value <= scale.to * (1 + slack);
            if (inside && (factor == 1 || with_parts)) values.push_back(value);
        }
    }
    if (values.size() < 3 && scale.to < 100 * scale.from) return linear_ticks(scale, most);

    const bool plain = std::all_of(values.begin(), values.end(), [](double v) { return v > 0.0005 && v < 2e6; });
    std::vector<Tick> ticks;
    for (const double value : values) ticks.push_back({value, power_text(value, plain)});
    return ticks;
}

}  // namespace

double Scale::place(double value) const {
    if (logarithmic) return std::log(value / from) / std::log(to / from);
    return (value - from) / (to - from);
}

bool Scale::can_show(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }

bool Scale::holds(double value) const { return can_show(value) && place(value) >= -slack && place(value) <= 1 + slack; }

Scale scale_of(const Axis& axis, const Range& range, Ends ends, const std::string& name) {
    require_ends(axis, name);
    Scale scale{axis.from.value_or(range.least), axis.to.value_or(range.largest), axis.logarithmic};
    // One number alone gets room on both sides.
    if (scale.to - scale.from <= slack * std::max(std::abs(scale.from), std::abs(scale.to))) {
        const double middle = scale.from;
        const double room = middle == 0 ? 1 : std::abs(middle) / 2;
        if (!axis.from) scale.from = middle - room;
        if (!axis.to || axis.from) scale.to = middle + room;
    }
    if (ends == Ends::round) {
        const double step = step_of(scale.to - scale.from, 6);
        const auto down = [&](double v) {
            return axis.logarithmic ? round_down(v) : std::floor(v / step + slack) * step;
        };
        const auto up = [&](double v) { return axis.logarithmic ? round_up(v) : std::ceil(v / step - slack) * step; };
        if (!axis.from) scale.from = down(scale.from);
        if (!axis.to) scale.to = up(scale.to);
    }
    return scale;
}

Scales scales(const Chart& chart) {
    const std::string name = fmt::format("chart \"{}\"", chart.title);
    const auto inside = [](const Axis& axis, double value) {
        return std::isfinite(value) && (!axis.logarithmic || value > 0) && value >= axis.from.value_or(value) &&
               value <= axis.to.value_or(value);
    };
    require_ends(chart.x, name + ", x");
    require_ends(chart.y, name + ", y");
    Range x, y;
    bool any_line = false;
    for (const Series& series : chart.series) {
        if (series.x.size() != series.y.size()) {
            gemma::fail("{}: \"{}\" has {} x and {} y", name, series.label, series.x.size(), series.y.size());
        }
        for (std::size_t i = 0; i < series.x.size(); ++i) {
            if (!inside(chart.x, series.x[i]) || !inside(chart.y, series.y[i])) continue;
            x.add(series.x[i]);
            y.add(series.y[i]);
        }
        any_line = any_line || series.mark != Mark::points;
    }
    if (!x.any) gemma::fail("{}: there is no number to show", name);
    Scales both{scale_of(chart.x, x, any_line ? Ends::tight : Ends::round, name + ", x"),
                scale_of(chart.y, y, Ends::round, name + ", y")};
    // Layers, tokens, ranks: numbers that count.
    both.x.whole =
        x.largest - x.least >= 1 && std::all_of(chart.series.begin(), chart.series.end(), [](const Series& series) {
            return std::all_of(series.x.begin(), series.x.end(), [](double v) { return v == std::floor(v); });
        });
    return both;
}

std::string left_out(const Chart& chart, const Scales& scales) {
    std::size_t count = 0;
    for (const Series& series : chart.series) {
        for (std::size_t i = 0; i < series.x.size(); ++i) {
            count += (scales.x.logarithmic && series.x[i] <= 0) || (scales.y.logarithmic && series.y[i] <= 0);
        }
    }
    if (count == 0) return "";
    return fmt::format("{} not above zero {} left out", count == 1 ? "1 number" : fmt::format("{} numbers", count),
                       count == 1 ? "is" : "are");
}

std::vector<Tick> ticks(const Scale& scale, std::size_t most) {
    return scale.logarithmic ? logarithmic_ticks(scale, most) : linear_ticks(scale, most);
}

}  // namespace viz
