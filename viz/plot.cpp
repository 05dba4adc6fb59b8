#include "viz/plot.hpp"

#include "viz/axis.hpp"
#include "viz/colour_scale.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace viz {

namespace {

// The colours of the SVG's curves, light enough for a dark terminal and dark enough for a light one.
constexpr Colour inks[] = {{61, 159, 220}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}};
constexpr std::size_t ink_count = std::size(inks);

Colour ink_of(std::size_t series) { return inks[series % ink_count]; }

std::string letter_of(std::size_t series) { return std::string(1, static_cast<char>('a' + series % 26)); }

// Characters, each made of 2 x 4 dots or holding a letter, with the series that drew there last.
class Canvas {
public:
    Canvas(std::size_t columns, std::size_t rows) : columns_(columns), rows_(rows), cells_(columns * rows) {}

    long dots_across() const { return 2 * static_cast<long>(columns_); }
    long dots_down() const { return 4 * static_cast<long>(rows_); }

    void dot(long x, long y, std::size_t series) {
        if (x < 0 || y < 0 || x >= dots_across() || y >= dots_down()) return;
        // The bits of a braille character: its dots 1 to 8, column by column but for the last row.
        static constexpr int bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
        Cell& cell = at(x, y);
        cell.dots |= bits[y % 4][x % 2];
        cell.series = series;
    }

    void line(long x1, long y1, long x2, long y2, std::size_t series) {
        const long steps = std::max({std::abs(x2 - x1), std::abs(y2 - y1), 1l});
        for (long i = 0; i <= steps; ++i) {
            const double share = static_cast<double>(i) / static_cast<double>(steps);
            dot(std::lround(static_cast<double>(x1) + share * static_cast<double>(x2 - x1)),
                std::lround(static_cast<double>(y1) + share * static_cast<double>(y2 - y1)), series);
        }
    }

    void letter(long x, long y, const std::string& letter, std::size_t series) {
        if (x < 0 || y < 0 || x >= dots_across() || y >= dots_down()) return;
        at(x, y).letter = letter;
        at(x, y).series = series;
    }

    bool has_letter(long x, long y) const {
        return !cells_[static_cast<std::size_t>(y / 4) * columns_ + static_cast<std::size_t>(x / 2)].letter.empty();
    }

    // A row as text; empty places get `ground`.
    std::string row(std::size_t row, const std::string& ground, const Console& console) const {
        std::string line;
        for (std::size_t column = 0; column < columns_; ++column) {
            const Cell& cell = cells_[row * columns_ + column];
            if (!cell.letter.empty()) {
                line += console.coloured(cell.letter, ink_of(cell.series));
            } else if (cell.dots != 0) {
                line += console.coloured(braille(cell.dots), ink_of(cell.series));
            } else {
                line += ground;
            }
        }
        return line;
    }

private:
    struct Cell {
        int dots = 0;
        std::string letter = {};
        std::size_t series = 0;
    };

    Cell& at(long x, long y) {
        return cells_[static_cast<std::size_t>(y / 4) * columns_ + static_cast<std::size_t>(x / 2)];
    }

    // U+2800 and the bits, in UTF-8.
    static std::string braille(int dots) {
        return {static_cast<char>(0xe2), static_cast<char>(0xa0 | (dots >> 6)),
                static_cast<char>(0x80 | (dots & 0x3f))};
    }

    std::size_t columns_, rows_;
    std::vector<Cell> cells_;
};

class Plot {
public:
    Plot(const Chart& chart, const Scales& scales, std::size_t columns, std::size_t rows)
        : chart_(chart), x_(scales.x), y_(scales.y), canvas_(columns, rows) {}

    void draw() {
        for (std::size_t i = 0; i < chart_.series.size(); ++i) {
            if (chart_.series[i].mark != Mark::points) draw_curve(i);
        }
        for (std::size_t i = 0; i < chart_.series.size(); ++i) {
            if (chart_.series[i].mark == Mark::points) draw_points(i);
        }
        if (chart_.series.size() < 2) return;
        for (std::size_t i = 0; i < chart_.series.size(); ++i) {
            if (chart_.series[i].mark != Mark::points) draw_letters(i);
        }
    }

    const Canvas& canvas() const { return canvas_; }

private:
    long across(double x) const { return std::lround(x_.place(x) * static_cast<double>(canvas_.dots_across() - 1)); }
    long down(double y) const {
        // Far outside is as good as further.
        const double place = std::clamp(y_.place(y), -9.0, 10.0);
        return std::lround((1 - place) * static_cast<double>(canvas_.dots_down() - 1));
    }
    bool can_show(const Series& series, std::size_t i) const {
        return x_.can_show(series.x[i]) && y_.can_show(series.y[i]);
    }

    void draw_curve(std::size_t index) {
        const Series& series = chart_.series[index];
        for (std::size_t i = 0; i < series.x.size(); ++i) {
            if (!can_show(series, i)) continue;
            const std::size_t before = i > 0 && can_show(series, i - 1) ? i - 1 : i;
            canvas_.line(across(series.x[before]), down(series.y[before]), across(series.x[i]), down(series.y[i]),
                         index);
        }
    }

    void draw_points(std::size_t index) {
        const Series& series = chart_.series[index];
        const std::string mark = chart_.series.size() > 1 ? letter_of(index) : "•";
        for (std::size_t i = 0; i < series.x.size(); ++i) {
            if (x_.holds(series.x[i]) && y_.holds(series.y[i])) {
                canvas_.letter(across(series.x[i]), down(series.y[i]), mark, index);
            }
        }
    }

    // Three times on each curve, at other places than on the curves before it.
    void draw_letters(std::size_t index) {
        const Series& series = chart_.series[index];
        const std::size_t count = chart_.series.size();
        for (std::size_t k = 0; k < 3; ++k) {
            const double share = (static_cast<double>(k * count + index) + 0.5) / static_cast<double>(3 * count);
            const long wanted = std::lround(share * static_cast<double>(canvas_.dots_across()));
            // The point next to that place.
            std::size_t best = series.x.size();
            for (std::size_t i = 0; i < series.x.size(); ++i) {
                if (!x_.holds(series.x[i]) || !y_.holds(series.y[i])) continue;
                if (canvas_.has_letter(across(series.x[i]), down(series.y[i]))) continue;
                const auto distance = [&](std::size_t j) { return std::abs(across(series.x[j]) - wanted); };
                if (best == series.x.size() || distance(i) < distance(best)) best = i;
            }
            if (best < series.x.size()) {
                canvas_.letter(across(series.x[best]), down(series.y[best]), letter_of(index), index);
            }
        }
    }

    const Chart& chart_;
    Scale x_, y_;
    Canvas canvas_;
};

// --- What stands around the canvas -----------------------------------------------------------------------------------

// The names of the series, in as many lines as they need.
std::vector<std::string> legend(const Chart& chart, std::size_t columns, const Console& console) {
    std::vector<std::string> lines;
    std::size_t taken = columns;
    for (std::size_t i = 0; i < chart.series.size(); ++i) {
        if (chart.series[i].label.empty()) continue;
        const std::string name = (chart.series.size() > 1 ? letter_of(i) + " " : "") + chart.series[i].label;
        if (taken + width_of(name) + 3 > columns) {
            lines.emplace_back();
            taken = 0;
        }
        lines.back() += (taken > 0 ? "   " : "") + console.coloured(name, ink_of(i));
        taken += width_of(name) + 3;
    }
    return lines;
}

// The row of a canvas in which a tick stands, and the text beside that row.
std::vector<std::string> row_texts(const Scale& y, const std::vector<Tick>& marks, std::size_t rows) {
    std::vector<std::string> texts(rows);
    for (const Tick& tick : marks) {
        const long dot = std::lround((1 - y.place(tick.value)) * static_cast<double>(4 * rows - 1));
        texts[static_cast<std::size_t>(dot) / 4] = tick.text;
    }
    return texts;
}

// The axis below the canvas and its numbers, those that have room.
std::vector<std::string> x_axis(const Scale& x, std::size_t columns, std::size_t left) {
    std::vector<std::string> marks(columns, "─");
    std::string numbers;
    std::size_t taken = 0;
    for (const Tick& tick : ticks(x, columns / 9)) {
        const long dot = std::lround(x.place(tick.value) * static_cast<double>(2 * columns - 1));
        const auto column = static_cast<std::size_t>(dot) / 2;
        const std::size_t width = width_of(tick.text), place = left + column - std::min(left + column, width / 2);
        if (place < taken) continue;
        marks[column] = "┬";
        numbers += std::string(place - width_of(numbers), ' ') + tick.text;
        taken = width_of(numbers) + 1;
    }
    std::string line = std::string(left - 1, ' ') + "└";
    for (const std::string& mark : marks) line += mark;
    return {line, numbers};
}

}  // namespace

std::vector<std::string> text(const Chart& chart, std::size_t columns, std::size_t rows, const Console& console) {
    const Scales both = scales(chart);
    columns = std::max<std::size_t>(columns, 24);
    std::vector<std::string> lines = legend(chart, columns, console);
    if (!chart.y.label.empty()) lines.push_back(chart.y.label);

    const std::size_t around = lines.size() + 2 + (chart.x.label.empty() ? 0 : 1);
    const std::size_t height = std::max<std::size_t>(rows > around ? rows - around : 0, 5);
    const std::vector<std::string> texts = row_texts(both.y, ticks(both.y, (height + 1) / 2), height);
    std::size_t text_width = 0;
    for (const std::string& text : texts) text_width = std::max(text_width, width_of(text));
    const std::size_t left = text_width + 2, width = columns - left - 1;

    Plot plot(chart, both, width, height);
    plot.draw();
    const bool zero_inside = !both.y.logarithmic && both.y.from < 0 && both.y.to > 0;
    for (std::size_t row = 0; row < height; ++row) {
        const std::string& text = texts[row];
        const std::string ground =
            zero_inside && !text.empty() && text.find_first_of("123456789") == std::string::npos ? "┈" : " ";
        lines.push_back(std::string(text_width - width_of(text), ' ') + text + (text.empty() ? " │" : " ┤") +
                        plot.canvas().row(row, ground, console));
    }
    for (std::string& line : x_axis(both.x, width, left)) lines.push_back(std::move(line));
    if (!chart.x.label.empty()) {
        const std::size_t space = width > width_of(chart.x.label) ? (width - width_of(chart.x.label)) / 2 : 0;
        lines.push_back(std::string(left + space, ' ') + chart.x.label);
    }
    if (const std::string note = left_out(chart, both); !note.empty()) lines.push_back(note);
    for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
    return lines;
}

std::vector<std::string> text(const BarChart& chart, std::size_t columns, const Console& console) {
    const Scale scale = bar_scale(chart);
    std::size_t label_width = 0, number_width = 0;
    for (const Bar& bar : chart.bars) {
        label_width = std::max(label_width, width_of(bar.label));
        number_width = std::max(number_width, width_of(number(bar.value)));
    }
    const std::size_t taken = label_width + number_width + 3;
    const std::size_t width = columns > taken + 8 ? columns - taken : 8;
    const double unit = static_cast<double>(width), begin = bar_begin(scale) * unit;
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < chart.bars.size(); ++i) {
        const double value = chart.bars[i].value;
        const double end = scale.can_show(value) ? std::clamp(scale.place(value), 0.0, 1.0) * unit : begin;
        const auto first = static_cast<std::size_t>(std::lround(std::min(begin, end)));
        std::string blocks;
        if (begin == 0) {  // eighth blocks fill from the left: where bars go both ways they are whole blocks
            blocks = bar(end / unit, width);
        } else {
            for (long k = std::lround(std::abs(end - begin)); k > 0; --k) blocks += "█";
        }
        lines.push_back(std::string(label_width - width_of(chart.bars[i].label), ' ') + chart.bars[i].label + " " +
                        std::string(first, ' ') + console.coloured(blocks, ink_of(value < 0 ? 1 : 0)) + " " +
                        (std::isfinite(value) ? number(value) : "–"));
    }
    if (!chart.value.label.empty()) lines.push_back(std::string(label_width + 1, ' ') + chart.value.label);
    return lines;
}

}  // namespace viz
