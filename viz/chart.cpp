#include "viz/chart.hpp"

#include "gemma/error.hpp"
#include "viz/axis.hpp"
#include "viz/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace viz {

namespace {

constexpr double plot_height = 280;
constexpr std::size_t colours = 6;

struct Place {
    double left, top, width, height;
    double x(double share) const { return left + share * width; }
    double y(double share) const { return top + (1 - share) * height; }
};

std::string colour_of(std::size_t series) { return fmt::format("s{}", series % colours); }

// Lines differ by more than their colour. The first is solid; a line that is to be dashed has short dashes.
std::string dashes_of(const Chart& chart, std::size_t series) {
    static constexpr const char* of_lines[] = {"", "14 5", "12 5 2 5", "8 4 2 4 2 4"};
    static constexpr const char* of_dashes[] = {"5 6", "1 6"};
    const Mark mark = chart.series[series].mark;
    const auto before = static_cast<std::size_t>(
        std::count_if(chart.series.begin(), chart.series.begin() + static_cast<std::ptrdiff_t>(series),
                      [mark](const Series& other) { return other.mark == mark; }));
    const std::string dashes = mark == Mark::dashes ? of_dashes[before % 2] : of_lines[before % 4];
    return dashes.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dashes);
}

// Points differ by more than their colour too. `r` is about their radius.
std::string dot(double x, double y, double r, std::size_t series, const std::string& inside = "") {
    const std::string css_class = "dot " + colour_of(series);
    const std::string end = inside.empty() ? "/>" : fmt::format(">{}</path>", inside);
    const auto path = [&](const std::string& d) {
        return fmt::format("<path class=\"{}\" d=\"{}\"{}\n", css_class, d, end);
    };
    switch (series % 4) {
        case 0:
            return path(fmt::format("M{} {}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z", at(x - r), at(y),
                                    fmt::arg("r", at(r)), fmt::arg("d", at(2 * r))));
        case 1:
            return path(
                fmt::format("M{} {}h{d}v{d}h-{d}z", at(x - 0.9 * r), at(y - 0.9 * r), fmt::arg("d", at(1.8 * r))));
        case 2:
            return path(
                fmt::format("M{} {}l{} {}h{}z", at(x), at(y - 1.2 * r), at(1.2 * r), at(2.1 * r), at(-2.4 * r)));
        default:
            return path(
                fmt::format("M{} {}l{r} {r}l-{r} {r}l-{r} -{r}z", at(x), at(y - 1.3 * r), fmt::arg("r", at(1.3 * r))));
    }
}

// --- What is behind the curves
// -------------------------------------------------------------------------------------------

std::string legend(const Chart& chart, double& y) {
    std::string elements;
    double x = margin;
    bool any = false;
    for (std::size_t i = 0; i < chart.series.size(); ++i) {
        const Series& series = chart.series[i];
        if (series.label.empty()) continue;
        const double sign = series.mark == Mark::points ? 17 : 34;  // the room of a point, of a piece of line
        const double width = sign + text_width(series.label);
        if (any && x + width > picture_width - margin) {
            x = margin;
            y += 20;
        }
        any = true;
        if (series.mark == Mark::points) {
            elements += dot(x + 5, y + 8, 4, i);
        } else {
            elements += fmt::format("<path class=\"curve {}\" d=\"M{} {}h26\"{}/>\n", colour_of(i), at(x), at(y + 8),
                                    dashes_of(chart, i));
        }
        elements += text_element(x + sign, y + 12.5, series.label);
        x += width + 22;
    }
    if (any) y += 28;
    return elements;
}

double widest(const std::vector<Tick>& ticks) {
    double width = 0;
    for (const Tick& tick : ticks) width = std::max(width, text_width(tick.text, 12));
    return width;
}

std::string frame(const Chart& chart, const Scale& x, const std::vector<Tick>& x_ticks, const Scale& y,
                  const std::vector<Tick>& y_ticks, const Place& plot) {
    std::string elements;
    for (const Tick& tick : y_ticks) {
        const double height = plot.y(y.place(tick.value));
        elements += line_element(plot.left, height, plot.left + plot.width, height, "grid");
        elements += text_element(plot.left - 7, height + 4, tick.text, Anchor::end, "font-size=\"12\" class=\"quiet\"");
    }
    const double below = plot.top + plot.height;
    for (const Tick& tick : x_ticks) {
        const double place = plot.x(x.place(tick.value));
        elements += line_element(place, plot.top, place, below, "grid");
        elements += text_element(place, below + 17, tick.text, Anchor::middle, "font-size=\"12\" class=\"quiet\"");
    }
    elements += line_element(plot.left, below, plot.left + plot.width, below, "axis");
    elements += line_element(plot.left, plot.top, plot.left, below, "axis");
    // Zero stands out where it is inside.
    if (!y.logarithmic && y.from < 0 && y.to > 0)
        elements += line_element(plot.left, plot.y(y.place(0)), plot.left + plot.width, plot.y(y.place(0)), "axis");
    if (!x.logarithmic && x.from < 0 && x.to > 0)
        elements += line_element(plot.x(x.place(0)), plot.top, plot.x(x.place(0)), below, "axis");
    if (!chart.x.label.empty())
        elements += text_element(plot.left + plot.width / 2, below + 37, chart.x.label, Anchor::middle);
    return elements;
}

// --- The curves
// ----------------------------------------------------------------------------------------------------------

std::string curve_path(const Series& series, const Scale& x, const Scale& y, const Place& plot) {
    std::string path, last;
    bool joined = false;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!x.can_show(series.x[i]) || !y.can_show(series.y[i])) {
            joined = false;
            continue;
        }
        // Far outside is as good as further: no coordinate is long.
        const double height = std::clamp(y.place(series.y[i]), -9.0, 10.0);
        const std::string point = at(plot.x(x.place(series.x[i]))) + " " + at(plot.y(height));
        if (joined && point == last) continue;
        path += (joined ? "L" : "M") + point;
        last = point;
        joined = true;
    }
    return path;
}

std::string points(const Series& series, std::size_t index, const Scale& x, const Scale& y, const Place& plot) {
    constexpr std::size_t many = 300;
    const double radius = series.x.size() > many ? 2 : 3.5;
    std::string elements;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!x.holds(series.x[i]) || !y.holds(series.y[i])) continue;
        std::string title;
        if (series.x.size() <= many) {
            title = fmt::format("<title>{}</title>",
                                escaped(fmt::format("{}{}({}, {})", series.label, series.label.empty() ? "" : " ",
                                                    spoken(series.x[i]), spoken(series.y[i]))));
        }
        elements += dot(plot.x(x.place(series.x[i])), plot.y(y.place(series.y[i])), radius, index, title);
    }
    return elements;
}

// A frame in the frame hides what a curve has outside of the axes. Its own origin is moved, so that the coordinates
// inside are those outside.
std::string clipped(const Place& plot, const std::string& elements) {
    constexpr double room = 3;  // for the thickness of a line along the edge
    const double left = plot.left - room, top = plot.top - room, width = plot.width + 2 * room,
                 height = plot.height + 2 * room;
    return fmt::format(
        "<svg x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" viewBox=\"{0} {1} {2} {3}\">\n{4}</svg>\n", at(left),
        at(top), at(width), at(height), elements);
}

// --- Words
// -----------------------------------------------------------------------------------------------------------------

std::string axis_words(const Axis& axis, const char* name, const Scale& scale) {
    return fmt::format("{}{}{}, {} to {}{}", name, axis.label.empty() ? "" : ": ", axis.label, number(scale.from),
                       number(scale.to), scale.logarithmic ? ", logarithmic" : "");
}

std::string description(const Chart& chart, const Scale& x, const Scale& y) {
    std::string text = fmt::format("{}. {}.", axis_words(chart.x, "x", x), axis_words(chart.y, "y", y));
    for (const Series& series : chart.series) {
        Range range;
        double at_least = 0, at_largest = 0;
        for (std::size_t i = 0; i < series.y.size(); ++i) {
            if (!std::isfinite(series.x[i])) continue;
            const Range before = range;
            range.add(series.y[i]);
            if (!before.any || range.least < before.least) at_least = series.x[i];
            if (!before.any || range.largest > before.largest) at_largest = series.x[i];
        }
        if (!range.any) continue;
        text += fmt::format(" {}{}{} points, least {} at {}, largest {} at {}.", series.label,
                            series.label.empty() ? "" : ": ", series.y.size(), spoken(range.least), spoken(at_least),
                            spoken(range.largest), spoken(at_largest));
    }
    return text;
}

}  // namespace

Series curve(std::string label, double from, double to, const std::function<double(double)>& function,
             std::size_t count) {
    Series series{std::move(label), {}, {}};
    for (std::size_t i = 0; i < count; ++i) {
        series.x.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1));
        series.y.push_back(function(series.x.back()));
    }
    return series;
}

std::string svg(const Chart& chart) {
    const auto [x, y] = scales(chart);
    const std::vector<Tick> y_ticks = ticks(y, 6), x_ticks = ticks(x, 8);

    double top = 0;
    std::string elements = title_element(chart.title, top);
    if (top == 0) top = margin;
    elements += legend(chart, top);
    if (!chart.y.label.empty()) {
        top += 12;
        elements += text_element(margin, top, chart.y.label);
        top += 6;
    }
    top += 8;
    const double left = margin + widest(y_ticks) + 9;
    const Place plot{left, top, picture_width - left - 24, plot_height};
    double bottom = top + plot_height + (chart.x.label.empty() ? 28 : 48);

    elements += frame(chart, x, x_ticks, y, y_ticks, plot);
    std::string curves, dots;
    for (std::size_t i = 0; i < chart.series.size(); ++i) {
        const Series& series = chart.series[i];
        if (series.mark == Mark::points) {
            dots += points(series, i, x, y, plot);
        } else {
            curves += fmt::format("<path class=\"curve {}\" d=\"{}\"{}/>\n", colour_of(i),
                                  curve_path(series, x, y, plot), dashes_of(chart, i));
        }
    }
    elements += clipped(plot, curves) + dots;
    if (const std::string note = left_out(chart, {x, y}); !note.empty()) {
        elements += text_element(margin, bottom + 8, note, Anchor::start, "font-size=\"12\" class=\"quiet\"");
        bottom += 18;
    }
    return picture(picture_width, bottom, chart.title, description(chart, x, y), elements);
}

}  // namespace viz
