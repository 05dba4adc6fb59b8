#include "gemma/error.hpp"
#include "viz/axis.hpp"
#include "viz/chart.hpp"
#include "viz/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace viz {

namespace {

constexpr double row_height = 26, bar_height = 16;

std::string value_text(double value) { return std::isfinite(value) ? number(value) : "–"; }

std::string description(const BarChart& chart) {
    std::string text = chart.value.label;
    for (const Bar& bar : chart.bars)
        text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", bar.label, number(bar.value));
    return text;
}

// The widest text of some, no wider than a third of the picture.
template <typename Text>
double widest(const std::vector<Bar>& bars, const Text& text) {
    double width = 0;
    for (const Bar& bar : bars) width = std::max(width, text_width(text(bar)));
    return width;
}

}  // namespace

Scale bar_scale(const BarChart& chart) {
    const std::string name = fmt::format("bar chart \"{}\"", chart.title);
    Range range;
    for (const Bar& bar : chart.bars) {
        if (!chart.value.logarithmic || bar.value > 0) range.add(bar.value);
    }
    if (!range.any) gemma::fail("{}: there is no number to show", name);
    if (!chart.value.logarithmic) range.add(0);  // where bars begin
    return scale_of(chart.value, range, Ends::round, name);
}

double bar_begin(const Scale& scale) { return scale.logarithmic ? 0 : std::clamp(scale.place(0), 0.0, 1.0); }

std::string svg(const BarChart& chart) {
    const Scale scale = bar_scale(chart);
    double top = 0;
    std::string elements = title_element(chart.title, top);
    top += top == 0 ? margin : 0;

    const bool any_negative = scale.from < 0;
    const double label_width =
        std::min(widest(chart.bars, [](const Bar& bar) { return bar.label; }), picture_width * 0.45);
    const double value_width = widest(chart.bars, [](const Bar& bar) { return value_text(bar.value); }) + 8;
    const double left = margin + label_width + 10 + (any_negative ? value_width : 0);
    const double width = picture_width - left - margin - value_width;
    const double bottom = top + row_height * static_cast<double>(chart.bars.size());
    const auto x = [&](double share) { return left + std::clamp(share, 0.0, 1.0) * width; };

    for (const Tick& tick : ticks(scale, 6)) {
        elements += line_element(x(scale.place(tick.value)), top, x(scale.place(tick.value)), bottom, "grid");
        elements += text_element(x(scale.place(tick.value)), bottom + 17, tick.text, Anchor::middle,
                                 "font-size=\"12\" class=\"quiet\"");
    }
    const double begin = x(bar_begin(scale));
    for (std::size_t i = 0; i < chart.bars.size(); ++i) {
        const Bar& bar = chart.bars[i];
        const double middle = top + row_height * (static_cast<double>(i) + 0.5);
        const double end = scale.can_show(bar.value) ? x(scale.place(bar.value)) : begin;
        elements += text_element(margin + label_width, middle + 4.5, bar.label, Anchor::end);
        elements += fmt::format(
            "<rect class=\"bar {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>\n",
            bar.value < 0 ? "s1" : "s0", at(std::min(begin, end)), at(middle - bar_height / 2),
            at(std::abs(end - begin)), at(bar_height), escaped(bar.label + ": " + number(bar.value)));
        const bool to_the_left = end < begin;
        elements += text_element(end + (to_the_left ? -6 : 6), middle + 4.5, value_text(bar.value),
                                 to_the_left ? Anchor::end : Anchor::start, "class=\"quiet\"");
    }
    elements += line_element(begin, top, begin, bottom, "axis");
    if (!chart.value.label.empty())
        elements += text_element(left + width / 2, bottom + 37, chart.value.label, Anchor::middle);
    return picture(picture_width, bottom + (chart.value.label.empty() ? 28 : 48), chart.title, description(chart),
                   elements);
}

}  // namespace viz
